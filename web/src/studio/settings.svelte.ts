import type { Clock } from "../paint/chunker";
import type { PhotoDefaults, Settings, SettingsPatch } from "../protocol";

/** How long the hand may rest before an edit is sent, in milliseconds. */
export const SETTLE_MS = 250;
/** While a value is dragged, the least time between two that are sent. */
export const DRAG_GAP_MS = 60;
/** While a value is dragged, how long the next one waits for the picture of the last one. */
export const DRAG_PATIENCE_MS = 1500;

type Field = keyof Settings;
/** What a photo wants other values of than paint does. */
type Lent = PhotoDefaults;
const LENT = ["guidance_scale", "strength", "finish"] as const satisfies readonly (keyof Lent)[];

const EMPTY: Settings = {
  prompt: "",
  negative_prompt: "",
  guidance_scale: 1,
  steps: 2,
  strength: 0.8,
  seed: 0,
  variation: 1,
  sampler: "",
  spread: 16,
  live: true,
  method: "ddim",
  finish: "none",
  finish_strength: 1,
};

/**
 * The room's settings as the fields show them. What is edited here goes out a
 * moment later; what others change comes in, except into a field in use.
 */
export class RoomSettings {
  local = $state<Settings>({ ...EMPTY });
  #shared: Settings = { ...EMPTY };
  #unsent: SettingsPatch = {};
  #inFlight = new Map<Field, number>();
  #focused: Field | undefined;
  #stop: (() => void) | undefined;
  #lent: { values: Lent; before: Lent } | undefined;
  /** A dragged value was sent, and nothing of it has been seen yet. */
  #unseen: { since: number; stop: () => void } | undefined;
  readonly #send: (patch: SettingsPatch) => void;
  readonly #clock: Clock;

  constructor(send: (patch: SettingsPatch) => void, clock: Clock) {
    this.#send = send;
    this.#clock = clock;
  }

  /** Edits a field; it is sent once the hand rests. */
  edit(patch: SettingsPatch): void {
    Object.assign(this.local, patch);
    Object.assign(this.#unsent, patch);
    this.#stop?.();
    this.#stop = this.#clock.after(SETTLE_MS, () => this.flush());
  }

  /**
   * Edits a field while it is dragged: the picture follows. Every change stops
   * the render under way, so the next one waits until the last one was seen.
   */
  drag(patch: SettingsPatch): void {
    Object.assign(this.local, patch);
    Object.assign(this.#unsent, patch);
    this.#stop?.();
    this.#stop = undefined;
    if (!this.#unseen) this.#sendDragged();
  }

  /** A render came back: what is dragged may go on. */
  rendered(): void {
    const unseen = this.#unseen;
    // What comes before the answer to our change does not show it.
    if (!unseen || this.#inFlight.size > 0) return;
    unseen.stop();
    const rest = unseen.since + DRAG_GAP_MS - this.#clock.now();
    if (rest > 0) unseen.stop = this.#clock.after(rest, () => this.#dragOn());
    else this.#dragOn();
  }

  /** Sends what was edited, now. */
  flush(): void {
    this.#stop?.();
    this.#stop = undefined;
    const patch = this.#unsent;
    this.#unsent = {};
    const fields = Object.keys(patch) as Field[];
    if (fields.length === 0) return;
    for (const field of fields) this.#inFlight.set(field, (this.#inFlight.get(field) ?? 0) + 1);
    this.#send(patch);
  }

  /** Puts other values in the place of these, until `giveBack`. */
  lend(values: Lent): void {
    const { guidance_scale, strength, finish } = this.local;
    this.#lent = { values, before: this.#lent?.before ?? { guidance_scale, strength, finish } };
    this.edit(values);
    this.flush();
  }

  /** The values from before `lend` again, but for those that somebody changed meanwhile. */
  giveBack(): void {
    const lent = this.#lent;
    if (!lent) return;
    this.#lent = undefined;
    const untouched = LENT.filter((field) => this.local[field] === lent.values[field]);
    this.edit(Object.fromEntries(untouched.map((field) => [field, lent.before[field]])));
    this.flush();
  }

  /** A field is in use. */
  focus(field: Field): void {
    this.#focused = field;
  }

  /** It no longer is: it shows what the room has. */
  blur(field: Field): void {
    if (this.#focused === field) this.#focused = undefined;
    if (field in this.#unsent) this.flush();
    else this.#adopt(field);
  }

  /** The room's settings in full, on (re)joining. */
  welcome(settings: Settings): void {
    this.#shared = { ...settings };
    for (const field of Object.keys(settings) as Field[]) this.#adopt(field);
  }

  /** A change was accepted; `own` when it is one of ours. */
  accepted(patch: SettingsPatch, own: boolean): void {
    for (const field of Object.keys(patch) as Field[]) {
      Object.assign(this.#shared, { [field]: patch[field] });
      if (own) this.#landed(field);
      this.#adopt(field);
    }
  }

  /** A change of ours was refused: the fields show what the room has. */
  refused(patch: SettingsPatch): void {
    for (const field of Object.keys(patch) as Field[]) {
      if (!(field in this.#shared)) continue;
      this.#landed(field);
      if (!(field in this.#unsent)) Object.assign(this.local, { [field]: this.#shared[field] });
    }
  }

  #sendDragged(): void {
    this.flush();
    const stop = this.#clock.after(DRAG_PATIENCE_MS, () => this.#dragOn());
    this.#unseen = { since: this.#clock.now(), stop };
  }

  #dragOn(): void {
    this.#unseen = undefined;
    if (Object.keys(this.#unsent).length > 0) this.#sendDragged();
  }

  #landed(field: Field): void {
    const left = (this.#inFlight.get(field) ?? 0) - 1;
    if (left > 0) this.#inFlight.set(field, left);
    else this.#inFlight.delete(field);
  }

  #adopt(field: Field): void {
    if (field in this.#unsent || this.#inFlight.has(field) || this.#focused === field) return;
    Object.assign(this.local, { [field]: this.#shared[field] });
  }
}
