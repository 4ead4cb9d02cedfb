/** What a key can do. */
export type Action =
  | "brush" | "erase" | "mask" | "restore" | "smudge" | "eyedropper" | "hand"
  | "line" | "rectangle" | "ellipse" | "polygon" | "lasso" | "fill" | "bucket" | "gradient" | "text" | "symmetry" | "looser" | "steadier"
  | "smaller" | "larger" | "softer" | "harder" | "swap" | "default-colours"
  | "undo" | "redo" | "fit" | "actual-size" | "zoom-in" | "zoom-out" | "turn" | "turn-left" | "turn-right" | "mirror" | "reference"
  | "show-mask" | "mask-all" | "mask-none" | "mask-invert"
  | "apply" | "render" | "cancel" | "before" | "help" | "prompt";

/** One key of the table; `single` keys can be switched off (WCAG 2.1.4). */
export interface Shortcut {
  action: Action;
  /** As `KeyboardEvent.key`, lower case. */
  key: string;
  mod?: boolean;
  shift?: boolean;
  single: boolean;
  label: string;
  group: "Tools" | "Shapes" | "Brush" | "Picture" | "View";
  /** As it is shown; the key itself where it is left out. */
  shown?: string;
}

/** Every shortcut, in the order in which the help sheet shows them. */
export const SHORTCUTS: readonly Shortcut[] = [
  { action: "brush", key: "b", single: true, label: "Brush", group: "Tools" },
  { action: "erase", key: "e", single: true, label: "Eraser", group: "Tools" },
  { action: "mask", key: "m", single: true, label: "Mask", group: "Tools" },
  { action: "restore", key: "r", single: true, label: "Restore", group: "Tools" },
  { action: "smudge", key: "a", single: true, label: "Smudge", group: "Tools" },
  { action: "eyedropper", key: "i", single: true, label: "Eyedropper", group: "Tools" },
  { action: "hand", key: "h", single: true, label: "Hand", group: "Tools" },
  { action: "hand", key: " ", single: true, label: "Hand, while held", group: "Tools", shown: "Space" },
  { action: "line", key: "l", single: true, label: "Line", group: "Shapes" },
  { action: "rectangle", key: "u", single: true, label: "Rectangle", group: "Shapes" },
  { action: "ellipse", key: "o", single: true, label: "Ellipse", group: "Shapes" },
  { action: "polygon", key: "g", single: true, label: "Polygon", group: "Shapes" },
  { action: "lasso", key: "k", single: true, label: "Lasso", group: "Shapes" },
  { action: "fill", key: "f", single: true, label: "Filled, or the outline", group: "Shapes" },
  { action: "bucket", key: "n", single: true, label: "Bucket", group: "Shapes" },
  { action: "gradient", key: "j", single: true, label: "Gradient", group: "Shapes" },
  { action: "text", key: "y", single: true, label: "Text", group: "Shapes" },
  { action: "symmetry", key: "s", single: true, label: "Symmetry", group: "Shapes" },
  { action: "smaller", key: "[", single: true, label: "Smaller", group: "Brush" },
  { action: "larger", key: "]", single: true, label: "Larger", group: "Brush" },
  { action: "softer", key: "{", shift: true, single: true, label: "Softer", group: "Brush", shown: "Shift [" },
  { action: "harder", key: "}", shift: true, single: true, label: "Harder", group: "Brush", shown: "Shift ]" },
  { action: "looser", key: ";", single: true, label: "Looser hand", group: "Brush" },
  { action: "steadier", key: "'", single: true, label: "Steadier hand", group: "Brush" },
  { action: "swap", key: "x", single: true, label: "Swap colours", group: "Brush" },
  { action: "default-colours", key: "d", single: true, label: "Default colours", group: "Brush" },
  { action: "undo", key: "z", mod: true, single: false, label: "Undo", group: "Picture" },
  { action: "redo", key: "z", mod: true, shift: true, single: false, label: "Redo", group: "Picture" },
  { action: "redo", key: "y", mod: true, single: false, label: "Redo", group: "Picture" },
  { action: "apply", key: "enter", single: true, label: "Apply the result to the sketch", group: "Picture", shown: "Enter" },
  { action: "render", key: "enter", mod: true, single: false, label: "Render now", group: "Picture", shown: "Enter" },
  { action: "mask-all", key: "a", mod: true, single: false, label: "Mask everything", group: "Picture" },
  { action: "mask-none", key: "a", mod: true, shift: true, single: false, label: "Mask nothing", group: "Picture" },
  { action: "mask-invert", key: "i", mod: true, single: false, label: "Invert the mask", group: "Picture" },
  { action: "cancel", key: "escape", single: true, label: "Cancel", group: "Picture", shown: "Esc" },
  { action: "prompt", key: "p", single: true, label: "Go to the prompt", group: "Picture" },
  { action: "before", key: "c", single: true, label: "Before, while held", group: "View" },
  { action: "show-mask", key: "q", single: true, label: "Show the mask", group: "View" },
  { action: "fit", key: "0", mod: true, single: false, label: "Fit, upright", group: "View" },
  { action: "actual-size", key: "1", mod: true, single: false, label: "100 %", group: "View" },
  { action: "zoom-in", key: "+", mod: true, single: false, label: "Zoom in", group: "View" },
  { action: "zoom-in", key: "=", mod: true, single: false, label: "Zoom in", group: "View" },
  { action: "zoom-out", key: "-", mod: true, single: false, label: "Zoom out", group: "View" },
  { action: "turn", key: "t", single: true, label: "Turn, while held and dragged", group: "View" },
  { action: "turn-left", key: ",", single: true, label: "Turn left by 15°", group: "View" },
  { action: "turn-right", key: ".", single: true, label: "Turn right by 15°", group: "View" },
  { action: "mirror", key: "v", single: true, label: "Mirrored view", group: "View" },
  { action: "reference", key: "w", single: true, label: "Reference picture", group: "View" },
  { action: "help", key: "?", single: true, label: "Show the keys", group: "View" },
];

/** The part of a keyboard event that is looked at. */
export interface KeyPress {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
  isComposing?: boolean;
}

/** Where the focus is. */
export interface FocusKind {
  /** A field takes text: no shortcut fires there. */
  text: boolean;
  /** A button, slider or menu uses Space, Enter, Escape and the arrows itself. */
  control: boolean;
}

/** The action of a key press, if it has one here. */
export function actionFor(press: KeyPress, focus: FocusKind, singleKeys: boolean): Action | undefined {
  if (focus.text || press.altKey || press.isComposing === true) return undefined;
  const key = press.key.toLowerCase();
  const mod = press.ctrlKey || press.metaKey;
  const found = SHORTCUTS.find(
    (shortcut) =>
      shortcut.key === key &&
      (shortcut.mod ?? false) === mod &&
      // Shift is part of what `?`, `{` and `+` are; elsewhere it tells keys apart.
      ((shortcut.shift ?? false) === press.shiftKey || !/^[a-z0-9 ]$|^enter$|^escape$/.test(key)),
  );
  if (!found) return undefined;
  if (found.single && !singleKeys && found.action !== "cancel") return undefined;
  if (focus.control && !mod && (key === " " || key === "enter")) return undefined;
  return found.action;
}

/** What kind of element has the focus. */
export function focusKind(element: Element | null): FocusKind {
  if (!element) return { text: false, control: false };
  const field = element.closest("input, textarea, select, [contenteditable]:not([contenteditable='false'])");
  const notText = ["button", "checkbox", "color", "radio", "range", "submit", "file"];
  const text =
    field !== null &&
    field.tagName !== "SELECT" &&
    !(field.tagName === "INPUT" && notText.includes((field.getAttribute("type") ?? "text").toLowerCase()));
  const control = element.closest("button, a, select, summary, input, dialog, [role='slider']") !== null;
  return { text, control };
}

/** The modifier's name on this machine. */
export function modName(platform: string): string {
  return /mac|iphone|ipad/i.test(platform) ? "⌘" : "Ctrl";
}

/** A shortcut as it is shown. */
export function keysShown(shortcut: Shortcut, mod: string): string {
  const key = shortcut.shown ?? shortcut.key.toUpperCase();
  const shift = shortcut.shift === true && shortcut.shown === undefined ? "Shift " : "";
  return `${shortcut.mod === true ? `${mod} ` : ""}${shift}${key}`;
}
