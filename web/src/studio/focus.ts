import { focusKind } from "./shortcuts";

/** Controls that open a picker of their own, which goes away with their focus: they keep it until something is picked. */
const PICKERS = "select, input[type='color'], input[type='file']";

/**
 * Gives the focus back to the stage when a pointer has used a control, so that
 * Space pans and keys reach the canvas. Whoever works with the keyboard stays
 * where they are, and so does what stands in a dialog. Answers how to stop.
 */
export function returnFocus(toStage: () => void): () => void {
  let byPointer = false;
  const pressed = (): void => {
    byPointer = true;
  };
  const typed = (): void => {
    byPointer = false;
  };
  const used = (event: Event): void => {
    const element = document.activeElement;
    const { text, control } = focusKind(element);
    if (!byPointer || !element || text || !control || element.closest("dialog")) return;
    if (event.type !== "change" && element.matches(PICKERS)) return;
    toStage();
  };
  addEventListener("pointerdown", pressed, true);
  addEventListener("keydown", typed, true);
  // A mouse focuses a button before `pointerup`, a finger only before `click`; a menu says `change`.
  for (const type of ["pointerup", "click", "change"]) addEventListener(type, used);
  return () => {
    removeEventListener("pointerdown", pressed, true);
    removeEventListener("keydown", typed, true);
    for (const type of ["pointerup", "click", "change"]) removeEventListener(type, used);
  };
}
