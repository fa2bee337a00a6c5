/** The one state of the page; views read parts of it, modules change it. */
import { useLayoutEffect, useReducer, useRef } from "preact/hooks";

/**
 * @typedef {import("./types.js").State} State
 * @typedef {Partial<State> | ((state: State) => Partial<State>)} Change
 */

/** @type {State} */
let state = {
  language: "en",
  texts: {},
  theme: "",
  user: null,
  session: "unknown",
  styles: [],
  route: { screen: "create", filters: {}, picture: "" },
  live: "connecting",
  generations: new Map(),
  slots: [],
  draft: null,
  limitedUntil: 0,
  deleted: new Map(),
  panel: "",
  refused: "",
};
/** @type {Set<() => void>} */
const listeners = new Set();

export const store = {
  get: () => state,
  /** @param {Change} change */
  set(change) {
    state = { ...state, ...(typeof change === "function" ? change(state) : change) };
    for (const listener of [...listeners]) listener();
  },
  /** @param {() => void} listener */
  subscribe(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

/**
 * What `select` finds in the state; the component is drawn again when that is another thing.
 * @template T
 * @param {(state: State) => T} select
 * @returns {T}
 */
export function useStore(select) {
  const [, redraw] = useReducer((/** @type {number} */ n) => n + 1, 0);
  const value = select(state);
  const latest = useRef({ select, value });
  latest.current = { select, value };
  useLayoutEffect(() => {
    const look = () => {
      if (latest.current.select(state) !== latest.current.value) redraw(0);
    };
    look();
    const stop = store.subscribe(look);
    return () => void stop();
  }, []);
  return value;
}
