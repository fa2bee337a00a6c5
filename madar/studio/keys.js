/** Shortcuts: by the place of a key, so that they work on an Arabic keyboard, never inside a field. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { keep, recall } from "./kept.js";
import { createState } from "./state.js";

/** @typedef {Record<string, (event: KeyboardEvent) => void>} Keys */

/** Whether single letters do anything (WCAG 2.1.4). */
export const letters = createState(true);

/** @type {{ current: Keys, isOnly: () => boolean }[]} the last one is asked first */
const layers = [];

export function restoreLetters() {
  letters.set(recall("letters", true));
}

/** @param {boolean} isOn */
export function setLetters(isOn) {
  letters.set(isOn);
  keep("letters", isOn);
}

/**
 * While the component is there.
 * @param {Keys} keys by `event.code`; `/`, `?` and `Ctrl+Enter` by what they write
 * @param {{ isOnly?: () => boolean }} [how] whether the keys of what lies beneath are kept from firing:
 *   asked each time, since somebody may press the next key before a closed dialog is gone
 */
export function useKeys(keys, { isOnly = () => false } = {}) {
  const layer = useRef({ current: keys, isOnly });
  layer.current.current = keys;
  // Before it is painted: who sees the page may press a key.
  useLayoutEffect(() => {
    layers.push(layer.current);
    return () => void layers.splice(layers.indexOf(layer.current), 1);
  }, []);
}

export function start() {
  addEventListener("keydown", (event) => {
    const name = nameOf(event);
    if (!name || event.defaultPrevented) return;
    for (const { current, isOnly } of [...layers].reverse()) {
      const act = current[name];
      if (act) {
        event.preventDefault();
        return act(event);
      }
      if (isOnly()) return;
    }
  });
}

/** @param {KeyboardEvent} event */
function nameOf(event) {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") return "Ctrl+Enter";
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return "";
  if (event.key === "Escape") return "Escape";
  if (isField(event.target)) return "";
  if (["ArrowLeft", "ArrowRight", "Delete"].includes(event.key)) return event.key;
  if (!letters.get()) return "";
  if (event.key === "?" || event.key === "؟") return "?";
  if (event.code === "Slash" || event.key === "/") return "/";
  return event.shiftKey ? "" : event.code;
}

/** @param {EventTarget | null} target */
function isField(target) {
  if (!(target instanceof HTMLElement)) return false;
  const isTyped = target.matches("textarea, select, [contenteditable]");
  return (
    isTyped || (target instanceof HTMLInputElement && !["radio", "checkbox", "button"].includes(target.type))
  );
}
