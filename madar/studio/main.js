/** Where the page begins. */
import { App } from "./app.js";
import { Problem } from "./api.js";
import { restoreBoard } from "./board.js";
import { fitStyle, restore as restoreDraft } from "./draft.js";
import { html, render } from "./html.js";
import { load, t } from "./i18n.js";
import { restoreLetters, start as startKeys } from "./keys.js";
import { readStyles } from "./language.js";
import { start as startLive } from "./live.js";
import { attempt, sentenceOf } from "./notice.js";
import { start as startRoute } from "./route.js";
import { recognise } from "./session.js";
import { restore as restoreSlots } from "./slots.js";
import { store } from "./store.js";
import { start as startTab } from "./tab.js";
import { restoreTheme } from "./theme.js";

/** What the address says once and no more: the language, and how a sign-in failed. */
function readOnce() {
  const url = new URL(location.href);
  store.set({ refused: url.searchParams.get("error") ?? "" });
  url.searchParams.delete("error");
  url.searchParams.delete("lang");
  if (url.href !== location.href) history.replaceState(null, "", url);
}

async function begin() {
  readOnce();
  restoreTheme();
  startRoute();
  const isKnown = recognise();
  isKnown.catch(() => {}); // it is waited for below, where its failure is told
  await load(document.documentElement.lang === "ar" ? "ar" : "en");
  const root = /** @type {HTMLElement} */ (document.getElementById("studio"));
  render(html`<${App} />`, root);
  startKeys();
  startTab();
  const reading = attempt(readStyles);
  if (!(await isKnown)) return;
  restoreBoard();
  restoreLetters();
  restoreDraft();
  restoreSlots();
  startLive();
  await reading;
  fitStyle();
}

/** Without the API there is nothing to show but that, and a way to try once more. */
function tell(/** @type {unknown} */ error) {
  const isOurs = !(error instanceof Problem);
  if (isOurs) console.error(error);
  const root = /** @type {HTMLElement} */ (document.getElementById("studio"));
  render(
    html`<main class="sign-in"><div class="card padded stack" role="alert" data-state="broken">
      <h1>${t("title")}</h1><p>${isOurs ? t("error.fault") : sentenceOf(error)}</p>
      <div><button onClick=${() => location.reload()}>${t("error.reload")}</button></div></div></main>`,
    root,
  );
}

begin().catch(tell);
