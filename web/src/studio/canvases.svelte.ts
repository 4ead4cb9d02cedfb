import { CallRefused, type RoomFacts } from "../../client/src";
import { changeKnown, knownRooms, withOpened, without, withTitle, type KnownRoom } from "./known-rooms";
import { serverFor } from "./pictures";
import { sentenceOf } from "../wire/errors";

/** What is known of a room on the start page. */
export interface Card {
  readonly room: string;
  readonly token: string | undefined;
  /** `away`: the server did not tell; `gone`: it has no such room any more; `closed`: it lets nobody in by our invite. */
  state: "asking" | "here" | "away" | "gone" | "closed";
  facts: RoomFacts | undefined;
  /** What it was called before the server told. */
  title: string | undefined;
  /** Why there is nothing to see. */
  reason: string;
}

/** Rooms that are asked for at once: browsers open six connections to a server. */
const AT_ONCE = 4;
const GONE = [404, 410];
const CLOSED = [401, 403];

/** The rooms that this browser has been in, and all others that its bearer may see. */
export class Canvases {
  cards = $state<Card[]>([]);
  /** The token that makes rooms; `false` while none is known to. */
  maker = $state.raw<{ token: string | undefined } | false>(false);
  readonly #page: string | undefined;

  /** `token` is the one in the page's own address. */
  constructor(token: string | undefined) {
    this.#page = token;
    this.cards = knownRooms().map((known) => cardOf(known));
  }

  /** Asks for everything anew. */
  async refresh(): Promise<void> {
    await inTurns(this.cards, (card) => this.ask(card));
    await this.#addOthers();
  }

  /** Asks for one room. */
  async ask(card: Card): Promise<void> {
    try {
      this.#learn(card, await serverFor(card.token).facts(card.room));
    } catch (error) {
      const status = error instanceof CallRefused ? error.status : 0;
      card.reason = messageOf(error);
      card.state = GONE.includes(status) ? "gone" : CLOSED.includes(status) ? "closed" : "away";
    }
  }

  /** A small picture of a room; undefined where there is none to be had now. */
  async picture(card: Card): Promise<Blob | undefined> {
    try {
      return await serverFor(card.token).thumbnail(card.room);
    } catch {
      return undefined;
    }
  }

  /** Gives a room another title. */
  async rename(card: Card, title: string): Promise<void> {
    this.#learn(card, await serverFor(card.token).rename(card.room, title));
  }

  /** Makes a copy of a room, which is in front then. */
  async duplicate(card: Card): Promise<Card> {
    const made = await serverFor(card.token).duplicate(card.room);
    const known: KnownRoom = { room: made.room, token: made.invites.owner, role: "owner", opened: Date.now() };
    changeKnown((all) => withOpened(all, known));
    const at = this.cards.findIndex(({ room }) => room === card.room);
    this.cards.splice(Math.max(0, at), 0, cardOf(known));
    const copy = this.cards[Math.max(0, at)] ?? cardOf(known);
    await this.ask(copy);
    return copy;
  }

  /** Deletes a room for good. */
  async delete(card: Card): Promise<void> {
    await serverFor(card.token).delete(card.room);
    this.forget(card);
  }

  /** Takes a room off the list; on the server it stays as it is. */
  forget(card: Card): void {
    changeKnown((known) => without(known, card.room));
    this.cards = this.cards.filter(({ room }) => room !== card.room);
  }

  #learn(card: Card, facts: RoomFacts): void {
    card.facts = facts;
    card.title = facts.title;
    card.state = "here";
    // An invite opens no other room; where none is asked for, none is shown.
    if (facts.makes_rooms && this.maker === false) this.maker = { token: facts.auth ? card.token : undefined };
    changeKnown((known) => withTitle(known, card.room, facts.title));
  }

  /** Rooms of the server that this browser has never been in, where they are ours to see. */
  async #addOthers(): Promise<void> {
    // Whoever has no token but invites is not told, and need not ask.
    const isGuest = this.maker === false && this.#page === undefined && this.cards.some(({ state }) => state === "closed" || state === "here");
    if (isGuest) return;
    const token = this.maker === false ? this.#page : this.maker.token;
    let all: string[];
    try {
      all = await serverFor(token).rooms();
    } catch {
      return;
    }
    if (this.maker === false) this.maker = { token };
    const known = new Set(this.cards.map(({ room }) => room));
    const first = this.cards.length;
    const others = all.filter((room) => !known.has(room));
    this.cards.push(...others.map((room) => cardOf({ room, token, role: "owner", opened: 0 })));
    await inTurns(this.cards.slice(first), (card) => this.ask(card));
  }
}

/** The sentence of an error. */
export function messageOf(error: unknown): string {
  return sentenceOf(error);
}

function cardOf({ room, token, title }: KnownRoom): Card {
  return { room, token, title, state: "asking", facts: undefined, reason: "" };
}

/** Does something with each, a few at once. */
async function inTurns<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const waiting = [...all];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
