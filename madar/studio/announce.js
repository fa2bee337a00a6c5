/** One polite live region: a change of state at once, anything else at most every five seconds. */
import { createState } from "./state.js";

const PAUSE_MS = 5000;
/** @type {import("./state.js").Observable<string>} */
export const announced = createState("");
let saidAt = 0;
/** @type {any} */
let waiting = 0;

/**
 * @param {string} words
 * @param {{ isChange?: boolean }} [how]
 */
export function announce(words, { isChange = false } = {}) {
  clearTimeout(waiting);
  const pause = isChange ? 0 : Math.max(0, saidAt + PAUSE_MS - Date.now());
  waiting = setTimeout(() => {
    saidAt = Date.now();
    announced.set(words);
  }, pause);
}
