/** What the address says: the screen, the gallery's filters, the picture that is open. */
import { store } from "./store.js";

/** @typedef {import("./types.js").Route} Route */

const PATHS = { create: "/studio", gallery: "/studio/gallery", account: "/studio/account" };
const FILTERS = /** @type {const} */ (["search", "style", "liked", "sort"]);

/** @returns {Route} */
function read() {
  const query = new URLSearchParams(location.search);
  const screen = location.pathname.replace(/\/$/, "").split("/")[2] ?? "create";
  /** @type {Record<string, string>} */
  const filters = {};
  for (const name of FILTERS) if (query.get(name)) filters[name] = query.get(name) ?? "";
  return {
    screen: screen === "gallery" || screen === "account" ? screen : "create",
    filters,
    picture: query.get("picture") ?? "",
  };
}

/** @param {Partial<Route>} change */
export function hrefOf(change) {
  const route = { ...store.get().route, ...change };
  const query = new URLSearchParams();
  for (const name of FILTERS) if (route.filters[name]) query.set(name, route.filters[name]);
  if (route.picture) query.set("picture", route.picture);
  const text = query.toString();
  return PATHS[route.screen] + (text && `?${text}`);
}

/**
 * @param {Partial<Route>} change
 * @param {{ replace?: boolean }} [how] `replace` where going back should not stop here
 */
export function go(change, { replace = false } = {}) {
  const href = hrefOf(change);
  if (href === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", href);
  const before = store.get().route.screen;
  store.set({ route: read() });
  if (store.get().route.screen !== before) scrollTo(0, 0);
}

export function start() {
  addEventListener("popstate", () => store.set({ route: read() }));
  store.set({ route: read() });
}

/** @param {{ screen: Route["screen"] }} to */
export const link = ({ screen }) => ({
  href: PATHS[screen],
  onClick: (/** @type {MouseEvent} */ event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    go({ screen, filters: {}, picture: "" });
  },
});
