/** Which pictures the gallery shows: pages behind a cursor, for the filters in the address. */
import { Problem, call } from "./api.js";
import { onCompleted, take } from "./generations.js";
import { onGap } from "./live.js";
import { createState } from "./state.js";
import { store } from "./store.js";

/**
 * @typedef {import("./types.js").Filters} Filters
 * @typedef {{ ids: string[], total: number, next: string | null, phase: "loading" | "ready" | "error",
 *   wish: string }} List
 */

export const list = createState(
  /** @type {List} */ ({ ids: [], total: 0, next: null, phase: "loading", wish: "" }),
);
/** @type {AbortController | null} */
let way = null;

/**
 * From the beginning. What was shown stays until there is something else.
 * @param {Filters} filters
 * @param {number} pageSize
 */
export async function load(filters, pageSize) {
  way?.abort();
  way = new AbortController();
  const wish = queryOf(filters, pageSize);
  const before = list.get();
  const isSame = before.wish === wish;
  list.set({
    ...(isSame ? before : { ...before, next: null }),
    wish,
    phase: isSame && before.phase === "ready" ? "ready" : "loading",
  });
  await read(wish, [], way.signal);
}

export async function more() {
  const { wish, next, ids } = list.get();
  way?.abort();
  way = new AbortController();
  if (next) await read(`${wish}&cursor=${encodeURIComponent(next)}`, ids, way.signal);
}

/**
 * @param {string} query
 * @param {string[]} before the pages that are shown already
 * @param {AbortSignal} signal
 */
async function read(query, before, signal) {
  try {
    const { generations, pagination } = await call("GET", `/api/generations?${query}`, { signal });
    take(generations);
    const ids = [...new Set([...before, ...generations.map((/** @type {any} */ doc) => doc.id)])];
    list.set({ ...list.get(), ids, total: pagination.total, next: pagination.nextCursor, phase: "ready" });
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    list.set({ ...list.get(), phase: "error" });
  }
}

/** @param {Filters} filters @param {number} pageSize */
function queryOf(filters, pageSize) {
  const query = new URLSearchParams({ status: "completed", limit: String(pageSize) });
  if (filters.search) query.set("search", filters.search);
  if (filters.style) query.set("style", filters.style);
  if (filters.liked) query.set("liked", "true");
  if (filters.sort) query.set("sort", filters.sort);
  return query.toString();
}

/**
 * Pictures that are completed belong into it, and after an absence it is refetched.
 * @param {() => void} reload
 */
export function follow(reload) {
  const stops = [onCompleted(reload), onGap(reload)];
  return () => stops.forEach((stop) => stop());
}

/** For the viewer: the neighbours of a picture in what is shown. @param {string} id */
export function neighbours(id) {
  const ids = list.get().ids.filter((one) => !store.get().deleted.has(one));
  const at = ids.indexOf(id);
  return at < 0 ? { previous: "", next: "" } : { previous: ids[at - 1] ?? "", next: ids[at + 1] ?? "" };
}
