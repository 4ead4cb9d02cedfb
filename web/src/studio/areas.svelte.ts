import type { GradientKind } from "../../client/src";
import { recall, remember } from "./storage";

/** Families that every system has something for; what is typed becomes paint, so that all see the same. */
export const FONTS: readonly { name: string; family: string }[] = [
  { name: "Sans", family: "system-ui, sans-serif" },
  { name: "Serif", family: "Georgia, 'Times New Roman', serif" },
  { name: "Mono", family: "ui-monospace, Menlo, Consolas, monospace" },
  { name: "Rounded", family: "ui-rounded, 'Arial Rounded MT Bold', Nunito, sans-serif" },
  { name: "Hand", family: "'Segoe Script', 'Bradley Hand', cursive" },
  { name: "Poster", family: "Impact, 'Arial Black', fantasy" },
];

/** The limits of the drags. */
export const TEXT_LIMITS = { least: 8, most: 512 } as const;

interface Kept {
  tolerance: number;
  contiguous: boolean;
  gradient: GradientKind;
  fades: boolean;
  font: string;
  textSize: number;
  bold: boolean;
}

const DEFAULTS: Kept = { tolerance: 0.12, contiguous: true, gradient: "linear", fades: true, font: "Sans", textSize: 64, bold: false };

/** How buckets, gradients and text are set. */
export class Areas {
  /** How far a channel may be from the colour under the bucket, 0 … 1. */
  tolerance = $state(DEFAULTS.tolerance);
  /** A bucket fills what hangs together, and not all that is alike. */
  contiguous = $state(DEFAULTS.contiguous);
  gradient = $state<GradientKind>(DEFAULTS.gradient);
  /** A gradient fades out, and does not run to the second colour. */
  fades = $state(DEFAULTS.fades);
  /** One of `FONTS`, by name. */
  font = $state(DEFAULTS.font);
  /** Height of a line's letters, in canvas pixels. */
  textSize = $state(DEFAULTS.textSize);
  bold = $state(DEFAULTS.bold);

  constructor() {
    this.set(recall<Partial<Kept>>("areas") ?? {}, false);
  }

  /** Sets some of them, for the next visit too. */
  set(patch: Partial<Kept>, keep = true): void {
    const kept = { ...this.#kept(), ...patch };
    this.tolerance = Math.round(Math.min(1, Math.max(0, kept.tolerance)) * 100) / 100;
    this.contiguous = kept.contiguous;
    this.gradient = kept.gradient;
    this.fades = kept.fades;
    this.font = FONTS.some(({ name }) => name === kept.font) ? kept.font : DEFAULTS.font;
    this.textSize = Math.round(Math.min(TEXT_LIMITS.most, Math.max(TEXT_LIMITS.least, kept.textSize)));
    this.bold = kept.bold;
    if (keep) remember("areas", this.#kept());
  }

  /** The font as style sheets write it, at a size. */
  fontAt(size: number): string {
    const family = FONTS.find(({ name }) => name === this.font)?.family ?? "sans-serif";
    return `${this.bold ? 700 : 400} ${size}px ${family}`;
  }

  #kept(): Kept {
    const { tolerance, contiguous, gradient, fades, font, textSize, bold } = this;
    return { tolerance, contiguous, gradient, fades, font, textSize, bold };
  }
}
