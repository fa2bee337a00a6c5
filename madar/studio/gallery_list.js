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
/** @type {AbortController | null} while something is read */
let way = null;
/** At least as many pictures are read, if there are as many. */
let wanted = 0;

/**
 * From the beginning, and as far as it was shown. What was shown stays until there is something else.
 * @param {Filters} filters
 * @param {number} pageSize
 */
export async function load(filters, pageSize) {
  const wish = queryOf(filters, pageSize);
  const before = list.get();
  const isSame = before.wish === wish;
  if (!isSame) wanted = 0;
  list.set({
    ...(isSame ? before : { ...before, next: null }),
    wish,
    phase: isSame && before.phase === "ready" ? "ready" : "loading",
  });
  await read([], null);
}

export async function more() {
  const { ids, next } = list.get();
  wanted = ids.length + 1;
  if (!way && next) await read(ids, next); // whoever reads already goes on to it
}

/**
 * @param {string[]} ids what comes before
 * @param {string | null} cursor
 */
async function read(ids, cursor) {
  way?.abort();
  const mine = (way = new AbortController());
  const { wish } = list.get();
  try {
    do {
      const query = cursor ? `${wish}&cursor=${encodeURIComponent(cursor)}` : wish;
      const page = await call("GET", `/api/generations?${query}`, { signal: mine.signal });
      take(page.generations);
      ids = [...new Set([...ids, ...page.generations.map((/** @type {any} */ doc) => doc.id)])];
      cursor = page.pagination.nextCursor;
      if (!cursor || ids.length >= wanted) {
        list.set({ ...list.get(), ids, total: page.pagination.total, next: cursor, phase: "ready" });
      }
    } while (cursor && ids.length < wanted);
  } catch (error) {
    if (mine.signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    list.set({ ...list.get(), phase: "error" });
  } finally {
    if (way === mine) way = null;
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
