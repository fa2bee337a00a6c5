/** What is typed into the form: kept at every stroke, for this person. */
import { keep, recall } from "./kept.js";
import { store } from "./store.js";

/** @typedef {import("./types.js").Wish} Wish */

export const RATIOS = ["1:1", "16:9", "9:16", "4:3"];
export const MAX_COLORS = 5;
export const MAX_PROMPT = 1000;

/** @returns {Wish} */
const empty = () => ({ style: "", prompt: "", aspectRatio: "1:1", colors: [], source: null });

export function restore() {
  store.set({ draft: { ...empty(), ...recall("draft", {}) } });
  fitStyle();
}

/** A style may have been switched off since. */
export function fitStyle() {
  const { draft, styles } = store.get();
  if (!draft || !styles.length || styles.some(({ id }) => id === draft.style)) return;
  setDraft({ style: styles[0]?.id ?? "" });
}

/** @param {Partial<Wish>} change */
export function setDraft(change) {
  const draft = { ...(store.get().draft ?? empty()), ...change };
  store.set({ draft });
  keep("draft", draft);
}

/** @param {string} text as the server counts: letters, not halves of them */
export const lengthOf = (text) => [...text].length;

/** @param {Wish} a @param {Wish} b */
export const isSameWish = (a, b) =>
  a.style === b.style &&
  a.prompt.trim() === b.prompt.trim() &&
  a.aspectRatio === b.aspectRatio &&
  a.colors.join() === b.colors.join() &&
  a.source?.uploadId === b.source?.uploadId;
