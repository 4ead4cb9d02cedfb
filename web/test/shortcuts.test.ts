import { expect, test } from "vitest";
import { actionFor, keysShown, SHORTCUTS, type KeyPress } from "../src/studio/shortcuts";

const FREE = { text: false, control: false };
const press = (key: string, more: Partial<KeyPress> = {}): KeyPress => ({
  key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more,
});

test.each([
  ["b", "brush"], ["e", "erase"], ["m", "mask"], ["r", "restore"], ["a", "smudge"], ["i", "eyedropper"], ["h", "hand"], [" ", "hand"],
  ["[", "smaller"], ["]", "larger"], ["x", "swap"], ["d", "default-colours"], ["c", "before"], ["Enter", "apply"],
  ["Escape", "cancel"], ["?", "help"],
])("%s", (key, action) => {
  expect(actionFor(press(key, { shiftKey: key === "?" }), FREE, true)).toBe(action);
});

test.each([
  ["z", {}, "undo"], ["Z", { shiftKey: true }, "redo"], ["y", {}, "redo"], ["0", {}, "fit"], ["1", {}, "actual-size"],
  ["Enter", {}, "render"],
])("Mod+%s %o", (key, more, action) => {
  expect(actionFor(press(key, { ctrlKey: true, ...more }), FREE, true)).toBe(action);
  expect(actionFor(press(key, { metaKey: true, ...more }), FREE, true)).toBe(action);
});

test("none fires in a text field", () => {
  for (const { key, mod, shift } of SHORTCUTS) {
    const pressed = press(key, { ctrlKey: mod ?? false, shiftKey: shift ?? false });
    expect(actionFor(pressed, { text: true, control: true }, true)).toBeUndefined();
  }
});

test("Space and Enter belong to the button that has the focus", () => {
  const control = { text: false, control: true };
  expect(actionFor(press(" "), control, true)).toBeUndefined();
  expect(actionFor(press("Enter"), control, true)).toBeUndefined();
  expect(actionFor(press("b"), control, true)).toBe("brush");
});

test("single keys can be switched off, those with a modifier and Escape cannot", () => {
  for (const { action, key, mod, shift, single } of SHORTCUTS) {
    const fired = actionFor(press(key, { ctrlKey: mod ?? false, shiftKey: shift ?? false }), FREE, false);
    expect(fired).toBe(single && action !== "cancel" ? undefined : action);
  }
});

test("other modifiers do not fire single keys", () => {
  expect(actionFor(press("b", { ctrlKey: true }), FREE, true)).toBeUndefined();
  expect(actionFor(press("b", { altKey: true }), FREE, true)).toBeUndefined();
  expect(actionFor(press("B", { shiftKey: true }), FREE, true)).toBeUndefined();
  expect(actionFor(press("b", { isComposing: true }), FREE, true)).toBeUndefined();
});

test("keys are shown as people know them", () => {
  const redo = SHORTCUTS.find(({ action, shift }) => action === "redo" && shift === true);
  expect(redo && keysShown(redo, "⌘")).toBe("⌘ Shift Z");
});
