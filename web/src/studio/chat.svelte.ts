import type { ChatLine, Clock, ErrorMessage } from "../../client/src";

/** A line as it is shown. */
export interface ShownLine {
  number: number;
  client: string;
  name: string;
  hue: number;
  text: string;
  /** When it was said, in the clock's milliseconds. */
  at: number;
}

/** What chat needs from outside. */
export interface ChatOptions {
  clock: Clock;
  send: (text: string) => void;
  /** The id of this member. */
  own: () => string;
  /** Somebody said something while the chat is folded. */
  unseen: (line: ShownLine) => void;
}

/** The longest line, in characters. */
export const LINE_MOST = 500;
/** As many as the server remembers. */
const LINES_MOST = 100;

/** What people say in the room. */
export class Chat {
  lines = $state.raw<ShownLine[]>([]);
  /** Lines that came while the chat was folded. */
  unread = $state(0);
  /** What is being written. */
  draft = $state("");
  #isOpen = $state(false);
  /** What was sent and has not come back. */
  #sent: string | undefined;
  readonly #options: ChatOptions;

  constructor(options: ChatOptions) {
    this.#options = options;
  }

  get open(): boolean {
    return this.#isOpen;
  }

  set open(open: boolean) {
    this.#isOpen = open;
    if (open) this.unread = 0;
  }

  /** What was said before this member came, or while it was away. */
  welcome(lines: readonly ChatLine[]): void {
    const last = this.lines.at(-1);
    // A room that left memory counts from the beginning.
    const isSame = last !== undefined && lines.some(({ number, text }) => number === last.number && text === last.text);
    const missed = isSame ? lines.filter(({ number }) => number > last.number).length : 0;
    this.lines = lines.map((line) => this.#shown(line));
    if (!this.open) this.unread += missed;
  }

  /** Somebody said something, this member perhaps. */
  hear(line: ChatLine): void {
    const shown = this.#shown(line);
    this.lines = [...this.lines, shown].slice(-LINES_MOST);
    if (line.client === this.#options.own()) {
      this.#sent = undefined;
      return;
    }
    if (this.open) return;
    this.unread += 1;
    this.#options.unseen(shown);
  }

  /** Says what was written. */
  say(): void {
    const text = this.draft.trim();
    if (text === "") return;
    this.#sent = text;
    this.draft = "";
    this.#options.send(text);
  }

  /** Something was refused: if it was a line, it is there to be sent again. */
  refused({ code, id }: ErrorMessage): void {
    const isLine = id === undefined && (code === "rate_limited" || code === "room_locked");
    if (!isLine || this.#sent === undefined) return;
    if (this.draft === "") this.draft = this.#sent;
    this.#sent = undefined;
  }

  #shown({ age_ms, ...line }: ChatLine): ShownLine {
    return { ...line, at: this.#options.clock.now() - age_ms };
  }
}
