import type { Clock, PhotoDefaults, Settings, SettingsPatch } from "../../client/src";

/** How long the hand may rest before an edit is sent, in milliseconds. */
export const SETTLE_MS = 250;
/** While a value is dragged, the least time between two that are sent. */
export const DRAG_GAP_MS = 60;
/** An edit of the same fields so soon after the last one goes on with it: one undo takes both back. */
export const CONTINUES_MS = 1500;
/** While a value is dragged, how long the next one waits for the picture of the last one. */
export const DRAG_PATIENCE_MS = 1500;

type Field = keyof Settings;
/** What people call each setting. */
export const FIELD_NAMES: Record<Field, string> = {
  prompt: "Prompt",
  negative_prompt: "Negative prompt",
  guidance_scale: "Guidance",
  guidance_rescale: "Guidance rescale",
  image_guidance_scale: "Image guidance",
  steps: "Steps",
  strength: "Strength",
  seed: "Seed",
  variation: "Variation",
  sampler: "Sampler",
  timestep_spacing: "Timestep spacing",
  sigmas: "Sigmas",
  spread: "Spread",
  live: "Live",
  method: "Edit method",
  finish: "Finish",
  finish_strength: "Finish strength",
  control: "Control",
  control_preprocess: "Control lines",
  control_scale: "Control strength",
  control_start: "Control start",
  control_end: "Control end",
  ip_adapter: "IP-Adapter",
  reference: "Reference",
  reference_scale: "Reference strength",
  reference_start: "Reference start",
  reference_end: "Reference end",
};
const FIELDS = Object.keys(FIELD_NAMES) as Field[];

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
  timestep_spacing: "default",
  sigmas: "default",
  spread: 16,
  live: true,
  method: "ddim",
  finish: "none",
  finish_strength: 1,
  control: "",
  control_preprocess: "xdog",
  control_scale: 1,
  control_start: 0,
  control_end: 1,
  ip_adapter: "",
  reference: "",
  reference_scale: 0.6,
  reference_start: 0,
  reference_end: 1,
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
  /** The fields that were edited last, and when; undefined where the next edit is a change of its own. */
  #edited: { fields: string; at: number } | undefined;
  /** What is unsent goes on with what was sent last. */
  #continues = false;
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
    this.#change(patch);
    this.#stop?.();
    this.#stop = this.#clock.after(SETTLE_MS, () => this.flush());
  }

  /**
   * Edits a field while it is dragged: the picture follows. Every change stops
   * the render under way, so the next one waits until the last one was seen.
   */
  drag(patch: SettingsPatch): void {
    this.#change(patch);
    this.#stop?.();
    this.#stop = undefined;
    if (!this.#unseen) this.#sendDragged();
  }

  /** Changes a field at once, as a step of its own. */
  set(patch: SettingsPatch): void {
    this.flush();
    this.ends();
    this.#change(patch);
    this.flush();
    this.ends();
  }

  /** Something else was done: the next edit is a step of its own. */
  ends(): void {
    this.#edited = undefined;
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
    const fields = fieldsOf(patch);
    if (fields.length === 0) return;
    for (const field of fields) this.#inFlight.set(field, (this.#inFlight.get(field) ?? 0) + 1);
    const continues = this.#continues;
    this.#continues = false;
    this.#send(continues ? { ...patch, continues } : patch);
  }

  /** Puts other values in the place of these, until `giveBack`; undone with what was done last. */
  lend(values: Lent): void {
    const { guidance_scale, strength, finish } = this.local;
    this.#lent = { values, before: this.#lent?.before ?? { guidance_scale, strength, finish } };
    this.#goOn(values);
  }

  /** The values from before `lend` again, but for those that somebody changed meanwhile. */
  giveBack(): void {
    const lent = this.#lent;
    if (!lent) return;
    this.#lent = undefined;
    const untouched = LENT.filter((field) => this.local[field] === lent.values[field]);
    this.#goOn(Object.fromEntries(untouched.map((field) => [field, lent.before[field]])));
  }

  /** A field is in use. */
  focus(field: Field): void {
    this.#focused = field;
  }

  /** It no longer is: it shows what the room has. */
  blur(field: Field): void {
    if (this.#focused === field) this.#focused = undefined;
    this.ends();
    if (field in this.#unsent) this.flush();
    else this.#adopt(field);
  }

  /** The room's settings in full: on (re)joining, and after an undo that changed them. */
  replace(settings: Settings): void {
    this.#shared = { ...settings };
    for (const field of FIELDS) this.#adopt(field);
  }

  /** A change was accepted; `own` when it is one of ours. */
  accepted(patch: SettingsPatch, own: boolean): void {
    for (const field of fieldsOf(patch)) {
      Object.assign(this.#shared, { [field]: patch[field] });
      if (own) this.#landed(field);
      this.#adopt(field);
    }
  }

  /** A change of ours was refused: the fields show what the room has. */
  refused(patch: SettingsPatch): void {
    for (const field of fieldsOf(patch)) {
      if (!(field in this.#shared)) continue;
      this.#landed(field);
      if (!(field in this.#unsent)) Object.assign(this.local, { [field]: this.#shared[field] });
    }
  }

  /** An edit: where it goes on with the last one, what is sent says so. */
  #change(patch: SettingsPatch): void {
    const [fields, at] = [Object.keys(patch).sort().join(), this.#clock.now()];
    const last = this.#edited;
    const goesOn = last?.fields === fields && at - last.at < CONTINUES_MS;
    if (Object.keys(this.#unsent).length === 0) this.#continues = goesOn;
    else if (!goesOn) this.#continues = false;
    this.#edited = { fields, at };
    Object.assign(this.local, patch);
    Object.assign(this.#unsent, patch);
  }

  /** Changes fields at once, as a part of what was done last. */
  #goOn(patch: SettingsPatch): void {
    this.flush();
    this.#change(patch);
    this.#continues = true;
    this.flush();
    this.ends();
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

/** The settings that a patch has. */
export function fieldsOf(patch: SettingsPatch): Field[] {
  return FIELDS.filter((field) => patch[field] !== undefined);
}

/** Whether a change can be undone: whether strokes are rendered live is no part of the picture. */
export function changesPicture(patch: SettingsPatch): boolean {
  return fieldsOf(patch).some((field) => field !== "live");
}
