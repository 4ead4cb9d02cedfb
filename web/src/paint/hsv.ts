import { rgbOf } from "../../client/src";

/** A colour as a picker has it: hue in degrees, 0 … 360, saturation and brightness 0 … 1. */
export interface Hsv {
  hue: number;
  saturation: number;
  brightness: number;
}

/** `#rrggbb` as hue, saturation and brightness; greys have no hue of their own and get `hue`. */
export function hsvOf(color: string, hue = 0): Hsv {
  const [red, green, blue] = rgbOf(color);
  const most = Math.max(red, green, blue);
  const range = most - Math.min(red, green, blue);
  if (range === 0) return { hue, saturation: 0, brightness: most / 255 };
  const sixth =
    most === red ? (green - blue) / range : most === green ? (blue - red) / range + 2 : (red - green) / range + 4;
  return { hue: (sixth * 60 + 360) % 360, saturation: range / most, brightness: most / 255 };
}

/** `#rrggbb` of hue, saturation and brightness. */
export function colourOf({ hue, saturation, brightness }: Hsv): string {
  const channel = (shift: number): number => {
    const at = (shift + hue / 60) % 6;
    return brightness * (1 - saturation * Math.max(0, Math.min(at, 4 - at, 1)));
  };
  return hexOf([channel(5) * 255, channel(3) * 255, channel(1) * 255]);
}

/** Three channels, 0 … 255, as `#rrggbb`. */
export function hexOf(rgb: readonly [number, number, number]): string {
  return `#${rgb.map((value) => Math.round(Math.min(255, Math.max(0, value))).toString(16).padStart(2, "0")).join("")}`;
}

/** What was typed as `#rrggbb`; three digits stand for six, and `#` may be left out. Undefined where it is no colour. */
export function typedColour(text: string): string | undefined {
  const digits = text.trim().replace(/^#/, "").toLowerCase();
  if (/^[0-9a-f]{6}$/.test(digits)) return `#${digits}`;
  return /^[0-9a-f]{3}$/.test(digits) ? `#${[...digits].map((digit) => digit + digit).join("")}` : undefined;
}
