/** What a person typed and where their work stands, in this browser, per person. */
import { store } from "./store.js";

/** @param {string} name */
const place = (name) => `madar.${store.get().user?.id ?? "nobody"}.${name}`;

/**
 * @template T
 * @param {string} name
 * @param {T} otherwise
 * @returns {T}
 */
export function recall(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(place(name)) ?? "null") ?? otherwise;
  } catch {
    return otherwise; // blocked, or written by somebody else
  }
}

/**
 * @param {string} name
 * @param {unknown} value
 */
export function keep(name, value) {
  try {
    localStorage.setItem(place(name), JSON.stringify(value));
  } catch {
    // Full or blocked: the page works, it only forgets.
  }
}

export function forgetAll() {
  const own = place("");
  for (const name of Object.keys(localStorage)) if (name.startsWith(own)) localStorage.removeItem(name);
}
