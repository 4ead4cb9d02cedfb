import type { Clock, MemberInfo, MemberNews, Rect, RemovedMember, Role, RoomNews, Welcome } from "../../client/src";
import { PointerTrack } from "../stage/pointer-track";
import type { Notices } from "./notices.svelte";

/** A member as this page knows it. */
export interface Member extends MemberInfo {
  /** Where its pointer is, while it moves now and then. */
  pointer: PointerTrack | undefined;
  /** A stroke of it came a moment ago. */
  painting: boolean;
}

/** What the people of a room need from outside. */
export interface PeopleOptions {
  clock: Clock;
  notices: Notices;
  /** The id of this member. */
  own: () => string;
  /** This member has that role now. */
  roleGiven: (role: Role) => void;
  /** Somebody else is here now. */
  joined: () => void;
  /** Somebody sees that part of the plane. */
  saw: (client: string, view: Rect) => void;
}

/** How long somebody may be away without having left. */
const LEAVING_MS = 1500;
/** A pointer that rests so long is hidden. */
const POINTER_MS = 6000;
/** Strokes come in pieces at most this far apart. */
const PAINTING_MS = 1200;

const ROLES: Record<Role, string> = { viewer: "a viewer", editor: "an editor", owner: "an owner" };

/** Who is in the room, as what, and what each is doing. */
export class People {
  members = $state.raw<Member[]>([]);
  /** Only owners change anything. */
  locked = $state(false);
  /** Who cannot come back. */
  removed = $state.raw<RemovedMember[]>([]);
  /** Counts whenever a pointer moves, so that it is drawn anew. */
  moves = $state(0);
  readonly #options: PeopleOptions;
  /** Members who went a moment ago. */
  readonly #gone = new Map<string, { name: string; stop: () => void }>();
  readonly #views = new Map<string, Rect>();
  /** What ends by itself, by what it is and whose. */
  readonly #passing = new Map<string, () => void>();

  constructor(options: PeopleOptions) {
    this.#options = options;
  }

  /** A member who is here. */
  find(client: string): Member | undefined {
    return this.members.find((member) => member.client === client);
  }

  /** The part of the plane that a member sees, once it said so. */
  viewOf(client: string): Rect | undefined {
    return this.#views.get(client);
  }

  welcome({ members, locked = false, removed = [] }: Welcome): void {
    this.members = members.map(arrived);
    this.locked = locked;
    this.removed = removed;
  }

  /** The room is locked or unlocked, or somebody else is kept out. */
  hearRoom({ locked, removed, by }: RoomNews): void {
    const wasLocked = this.locked;
    this.locked = locked;
    this.removed = removed;
    if (wasLocked === locked) return;
    const who = this.#nameOf(by, "You");
    this.#options.notices.say(
      locked ? `${who} locked the room: only owners can change anything now.` : `${who} unlocked the room.`,
    );
  }

  hear(news: MemberNews): void {
    switch (news.event) {
      case "joined":
        this.#joined(news);
        return;
      case "left":
        this.#left(news.client, news.removed_by);
        return;
      case "role":
        this.#role(news.client, news.role, news.by);
        return;
      default:
        this.#pointed(news);
    }
  }

  /** Part of a stroke came. */
  painted(client: string, done: boolean): void {
    const member = this.find(client);
    if (!member || client === this.#options.own()) return;
    if (member.painting === done) this.#set(client, { painting: !done });
    this.#pass(`painting ${client}`, PAINTING_MS, () => this.#set(client, { painting: false }));
  }

  #pointed(news: MemberNews & { event: "presence" }): void {
    const { client, x, y, view } = news;
    const member = this.find(client);
    if (!member) return;
    const now = this.#options.clock.now();
    if (member.pointer) member.pointer.move({ x, y }, now);
    else this.#set(client, { pointer: new PointerTrack({ x, y }, now) });
    this.moves += 1;
    this.#pass(`pointer ${client}`, POINTER_MS, () => this.#set(client, { pointer: undefined }));
    if (!view) return;
    this.#views.set(client, view);
    this.#options.saw(client, view);
  }

  #joined(info: MemberInfo): void {
    const { client, name } = info;
    const before = this.#gone.get(client)?.name ?? this.find(client)?.name;
    this.#gone.get(client)?.stop();
    this.#gone.delete(client);
    this.members = [...this.members.filter((member) => member.client !== client), arrived(info)];
    if (client === this.#options.own()) return;
    this.#options.joined();
    if (before === name) return;
    this.#options.notices.say(before === undefined ? `${name} joined.` : `${before} is ${name} now.`);
  }

  /** Whoever is back in a moment, after a lost line or with another name, has not left. */
  #left(client: string, removedBy: string | undefined): void {
    const member = this.find(client);
    this.members = this.members.filter((known) => known.client !== client);
    this.#views.delete(client);
    if (!member || client === this.#options.own()) return;
    if (removedBy !== undefined) {
      this.#options.notices.say(`${this.#nameOf(removedBy, "You")} removed ${member.name}.`);
      return;
    }
    const stop = this.#options.clock.after(LEAVING_MS, () => {
      this.#gone.delete(client);
      this.#options.notices.say(`${member.name} left.`);
    });
    this.#gone.set(client, { name: member.name, stop });
  }

  #role(client: string, role: Role, by: string): void {
    this.#set(client, { role });
    const isOwn = client === this.#options.own();
    if (isOwn) this.#options.roleGiven(role);
    const who = isOwn ? "you" : (this.find(client)?.name ?? "somebody");
    this.#options.notices.say(`${this.#nameOf(by, "You")} made ${who} ${ROLES[role]}.`);
  }

  #nameOf(client: string, own: string): string {
    return client === this.#options.own() ? own : (this.find(client)?.name ?? "An owner");
  }

  #set(client: string, change: Partial<Member>): void {
    this.members = this.members.map((member) => (member.client === client ? { ...member, ...change } : member));
  }

  /** Does something after a while, unless it is put off again. */
  #pass(what: string, milliseconds: number, task: () => void): void {
    this.#passing.get(what)?.();
    const stop = this.#options.clock.after(milliseconds, () => {
      this.#passing.delete(what);
      task();
    });
    this.#passing.set(what, stop);
  }
}

function arrived(info: MemberInfo): Member {
  return {
    client: info.client,
    name: info.name,
    role: info.role,
    hue: info.hue,
    pointer: undefined,
    painting: false,
  };
}
