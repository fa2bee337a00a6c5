/** What this tab asked and heard, for the drawer: never a token, never a signed link. */

/** @typedef {import("./types.js").Call} Call */

const KEPT = 200;
const SIGNED = /\/files\/[\w.-]+/g;
const SECRETS = new Set(["token", "state", "ticket", "authorization", "cookie"]);

let last = 0;
/** @type {Call[]} newest first */
let list = [];
/** @type {Set<() => void>} */
const listeners = new Set();

export const calls = () => list;

/** @param {() => void} listener */
export function onCall(listener) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/**
 * @param {Partial<Call>} call
 * @returns {Call}
 */
export function note(call) {
  const noted = {
    ...{ id: ++last, at: Date.now(), kind: "call", method: "GET", path: "", status: 0, ms: 0 },
    ...{ body: null, form: null, headers: {}, answer: null },
    ...call,
  };
  list = [/** @type {Call} */ (noted), ...list].slice(0, KEPT);
  for (const listener of listeners) listener();
  return /** @type {Call} */ (noted);
}

export function forget() {
  list = [];
  for (const listener of listeners) listener();
}

/**
 * @param {any} value
 * @returns {any}
 */
export function masked(value) {
  if (typeof value === "string") return value.replace(SIGNED, "/files/•••");
  if (Array.isArray(value)) return value.map(masked);
  if (value && typeof value === "object") {
    const pairs = Object.entries(value).map(([name, one]) => [
      name,
      SECRETS.has(name.toLowerCase()) ? "•••" : masked(one),
    ]);
    return Object.fromEntries(pairs);
  }
  return value;
}
