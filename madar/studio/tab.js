/** The tab itself: its icon shows that something is being made, its title where one is or what is ready. */
import { isRunning } from "./generations.js";
import { t } from "./i18n.js";
import { store } from "./store.js";

let title = "";

export function start() {
  document.addEventListener("visibilitychange", () => !document.hidden && (document.title = title));
  store.subscribe(nameScreen);
  store.subscribe(follow());
  nameScreen();
}

function nameScreen() {
  const { route, session, texts } = store.get();
  if (!("title" in texts)) return;
  const isNamed = session === "open" && route.screen !== "create";
  const next = isNamed ? `${t(`${route.screen}.title`)} · ${t("title")}` : t("title");
  if (next !== title) document.title = title = next;
}

function follow() {
  /** @type {Set<string>} */
  let running = new Set();
  return () => {
    const { generations } = store.get();
    const now = new Set([...generations.values()].filter(isRunning).map(({ id }) => id));
    if (now.size > 0 !== running.size > 0) showIcon(now.size > 0);
    for (const id of running) {
      const doc = generations.get(id);
      if (document.hidden && doc?.status === "completed") {
        document.title = t("ready_title", { prompt: doc.prompt });
      }
    }
    running = now;
  };
}

/** @param {boolean} isWorking */
function showIcon(isWorking) {
  const icon = /** @type {HTMLLinkElement | null} */ (document.querySelector('link[rel="icon"]'));
  const name = isWorking ? "./icon-working.svg" : "./icon.svg";
  if (icon) icon.href = new URL(name, import.meta.url).href;
}
