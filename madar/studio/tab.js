/** The tab itself: its icon shows that something is being made, its title what is ready. */
import { isRunning } from "./generations.js";
import { t } from "./i18n.js";
import { store } from "./store.js";

export function start() {
  /** @type {Set<string>} */
  let running = new Set();
  let isShown = false;
  document.addEventListener("visibilitychange", () => !document.hidden && (document.title = t("title")));
  store.subscribe(() => {
    const now = new Set([...store.get().generations.values()].filter(isRunning).map(({ id }) => id));
    if (now.size > 0 !== isShown) show((isShown = now.size > 0));
    for (const id of running) {
      const doc = store.get().generations.get(id);
      if (document.hidden && doc?.status === "completed")
        document.title = t("ready_title", { prompt: doc.prompt });
    }
    running = now;
  });
}

/** @param {boolean} isWorking */
function show(isWorking) {
  const icon = /** @type {HTMLLinkElement | null} */ (document.querySelector('link[rel="icon"]'));
  const name = isWorking ? "./icon-working.svg" : "./icon.svg";
  if (icon) icon.href = new URL(name, import.meta.url).href;
}
