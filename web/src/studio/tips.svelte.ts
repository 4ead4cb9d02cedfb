import type { Tool } from "../../client/src";
import type { BrushKind } from "../../client/src";
import type { BrushTip } from "../paint/tip";
import type { Sample } from "../stage/gestures";
import { recall, remember } from "./storage";

/** Kinds of brush, and what is usual of each: its flow and its hardness. */
export const KINDS: readonly { kind: BrushKind; name: string; hint: string; flow: number; hardness: number }[] = [
  { kind: "round", name: "Round", hint: "covers at once", flow: 1, hardness: 0.8 },
  { kind: "flat", name: "Flat", hint: "broad one way, thin the other", flow: 1, hardness: 0.9 },
  { kind: "chalk", name: "Chalk", hint: "leaves the hollows of rough paper out", flow: 1, hardness: 0.7 },
  { kind: "airbrush", name: "Airbrush", hint: "soft, and more the longer it stays", flow: 0.4, hardness: 0 },
  { kind: "pencil", name: "Pencil", hint: "shows the paper, darker where it is pressed", flow: 1, hardness: 0.6 },
];

/** How the hand's pressure counts. */
export type PressureCurve = "soft" | "even" | "firm" | "off";

/** What a pressure is raised to. */
const EXPONENTS: Record<PressureCurve, number> = { soft: 0.5, even: 1, firm: 2, off: 0 };
/** A pencil that lies flat is so many times wider than one that stands. */
const LYING = 3;
/** The angle, in radians, at which a pencil lies, as far as anybody holds one. */
const LOWEST = Math.PI / 6;

interface Kept {
  kind: BrushKind;
  flow: number;
  angle: number;
  curve: PressureCurve;
}

/** The brush's tip, and how the hand's pressure and tilt count. */
export class Tips {
  kind = $state<BrushKind>("round");
  /** How much one pass covers, above 0 … 1. */
  flow = $state(1);
  /** Of a flat tip, in degrees. */
  angle = $state(45);
  curve = $state<PressureCurve>("even");
  /** Where the pen of the stroke in hand points, in degrees, and how many times wider a pencil's stroke is by that. */
  #pen: { azimuth: number; wider: number } | undefined;

  constructor() {
    const kept = recall<Partial<Kept>>("tips") ?? {};
    this.kind = KINDS.find(({ kind }) => kind === kept.kind)?.kind ?? this.kind;
    this.flow = kept.flow ?? this.flow;
    this.angle = kept.angle ?? this.angle;
    this.curve = kept.curve !== undefined && kept.curve in EXPONENTS ? kept.curve : this.curve;
  }

  /** Sets some of them, for the next visit too. */
  set(patch: Partial<Kept>): void {
    this.kind = patch.kind ?? this.kind;
    this.flow = Math.round(Math.min(1, Math.max(0.01, patch.flow ?? this.flow)) * 100) / 100;
    this.angle = Math.round(Math.min(180, Math.max(0, patch.angle ?? this.angle)));
    this.curve = patch.curve ?? this.curve;
    const { kind, flow, angle, curve } = this;
    remember("tips", { kind, flow, angle, curve } satisfies Kept);
  }

  /** A stroke begins: how the pen is held, where it says so. */
  begins({ altitude, azimuth }: Sample): void {
    this.#pen =
      altitude === undefined || azimuth === undefined || altitude >= Math.PI / 2
        ? undefined
        : {
            azimuth: Math.round((azimuth * 180) / Math.PI) % 360,
            wider: 1 + (LYING - 1) * Math.min(1, (Math.PI / 2 - altitude) / (Math.PI / 2 - LOWEST)),
          };
  }

  /** What a pressure of the hand counts as, 0 … 1. */
  felt(pressure: number): number {
    return pressure <= 0 ? 0 : pressure ** EXPONENTS[this.curve];
  }

  /** The tip of a stroke that begins now, without what is usual; masks have a plain one. */
  of(tool: Tool): BrushTip {
    if (tool === "mask" || tool === "restore") return {};
    return {
      ...(this.kind === "round" ? {} : { kind: this.kind }),
      ...(this.kind === "flat" ? { angle: this.#pen?.azimuth ?? this.angle } : {}),
      ...(this.flow < 1 ? { flow: this.flow } : {}),
    };
  }

  /** How many times wider than it is set a stroke is that begins now. */
  get wider(): number {
    return this.kind === "pencil" ? (this.#pen?.wider ?? 1) : 1;
  }
}
