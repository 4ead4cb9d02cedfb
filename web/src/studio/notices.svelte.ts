/** Something to read for a moment. */
export interface Notice {
  id: number;
  text: string;
  kind: "news" | "trouble";
}

const NEWS_MS = 3500;
const TROUBLE_MS = 8000;

/** Short messages: shown for a moment and read out by screen readers. */
export class Notices {
  shown = $state<Notice[]>([]);
  /** Read out, and not shown. */
  spoken = $state("");
  #next = 1;

  /** Says something in passing; the answer is its id. */
  say(text: string): number {
    return this.#show(text, "news", NEWS_MS);
  }

  /** Says what went wrong. */
  trouble(text: string): void {
    this.#show(text, "trouble", TROUBLE_MS);
  }

  /** Says something to screen readers only. */
  speak(text: string): void {
    this.spoken = text;
  }

  /** Takes a notice away. */
  dismiss(id: number): void {
    this.shown = this.shown.filter((notice) => notice.id !== id);
  }

  #show(text: string, kind: Notice["kind"], milliseconds: number): number {
    const id = this.#next;
    this.#next += 1;
    const others = this.shown.filter((notice) => notice.text !== text);
    this.shown = [...others.slice(-2), { id, text, kind }];
    setTimeout(() => this.dismiss(id), milliseconds);
    return id;
  }
}
