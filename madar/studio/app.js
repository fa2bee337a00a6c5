/** The frame around every screen: header, the bar that tells of the connection, footer, panels. */
import { announced } from "./announce.js";
import { cycleBoard } from "./board.js";
import { CreateForm, focusPrompt } from "./create.js";
import { Gallery } from "./gallery.js";
import { download, find, toggleLike } from "./generations.js";
import { html, useEffect, useState } from "./html.js";
import { otherLanguage, t } from "./i18n.js";
import { IconButton } from "./icons.js";
import { useKeys } from "./keys.js";
import { chooseLanguage } from "./language.js";
import { reconnect } from "./live.js";
import { attempt, notice } from "./notice.js";
import { go, link } from "./route.js";
import { signIn } from "./session.js";
import { SignIn } from "./signin.js";
import { DropAnywhere } from "./source_field.js";
import { Stage } from "./stage.js";
import { useValue } from "./state.js";
import { store, useStore } from "./store.js";
import { isDark, toggleTheme } from "./theme.js";

// What nobody sees at first comes when it is asked for (madar/api/studio_assets.py knows them too).
const later = {
  account: () => import("./account.js").then(({ Account }) => Account),
  drawer: () => import("./drawer.js").then(({ Drawer }) => Drawer),
  keys: () => import("./help.js").then(({ Help }) => Help),
  viewer: () => import("./viewer.js").then(({ Viewer }) => Viewer),
};

export function App() {
  useStore((state) => state.texts); // another language draws everything again
  const session = useStore((state) => state.session);
  const panel = useStore((state) => state.panel);
  const picture = useStore((state) => state.route.picture);
  // The server has seen the session already; until the API has too, the frame stands and is empty.
  const isKnown = session !== "unknown";
  const isIn = isKnown ? session !== "none" : document.documentElement.dataset.session === "open";
  return html`
    <a class="skip" href="#content">${t("skip")}</a>
    <${Header} isIn=${isIn} />
    ${isKnown && isIn && html`<${Connection} />`}
    <${Notice} />
    ${!isKnown ? html`<main id="content" class="screen"></main>` : isIn ? html`<${Screen} />` : html`<${SignIn} />`}
    <${Footer} />
    ${isKnown && isIn && html`<${Keys} /><${DropAnywhere} />`}
    ${isKnown && isIn && picture && html`<${Later} name="viewer" />`}
    ${panel && (isIn || panel === "keys") && html`<${Later} key=${panel} name=${panel} />`}
    <${Announcer} />`;
}

/** @param {{ name: keyof typeof later }} what */
function Later({ name }) {
  const [View, setView] = useState(/** @type {any} */ (null));
  useEffect(() => void later[name]().then((view) => setView(() => view)), []);
  return View && html`<${View} />`;
}

function Screen() {
  const screen = useStore((state) => state.route.screen);
  return html`<main id="content" class="screen" tabindex="-1" data-screen=${screen}>
    ${screen === "account" && html`<${Later} name="account" />`}
    ${screen === "gallery" && html`<${Gallery} key="gallery" pageSize=${24} title=${t("gallery.title")} isMain />`}
    ${
      screen === "create" &&
      html`<h1 class="hidden">${t("create.title")}</h1><${CreateForm} />
      <div class="made"><${Stage} /><${Gallery} key="recent" pageSize=${12} title=${t("gallery.recent")} /></div>`
    }
  </main>`;
}

/** @param {{ isIn: boolean }} what */
function Header({ isIn }) {
  const screen = useStore((state) => state.route.screen);
  const user = useStore((state) => state.user);
  const isSimulated = document.documentElement.dataset.images === "local";
  const tab = (
    /** @type {"create" | "gallery"} */ name,
  ) => html`<a class="tab" aria-current=${screen === name ? "page" : undefined}
    ...${link({ screen: name })}>${t(`nav.${name}`)}</a>`;
  return html`<header class="top">
    <a class="brand" ...${link({ screen: "create" })}>${t("title")}</a>
    ${
      isIn &&
      html`<nav aria-label=${t("nav.label")}>${tab("create")}${tab("gallery")}
      <button class="tab" aria-keyshortcuts="A" onClick=${() => toggle("drawer")}>${t("nav.api")}</button></nav>`
    }
    <span class="space"></span>
    ${
      isSimulated &&
      html`<span class="pill" title=${t("simulator")}><span class="wide-only">${t("simulator")}</span>
      <span class="narrow-only" aria-hidden="true">${t("simulator_short")}</span></span>`
    }
    <${LanguageLink} />
    <${ThemeButton} />
    ${isIn && !user && html`<span class="avatar"></span>`}
    ${
      isIn &&
      user &&
      html`<a class="avatar" ...${link({ screen: "account" })} aria-current=${screen === "account" ? "page" : undefined}
      aria-label=${t("nav.account", { name: user.displayName })} title=${user.displayName}>
      ${user.avatarUrl.startsWith(location.origin) ? html`<img src=${user.avatarUrl} alt="" />` : [...user.displayName][0]}</a>`
    }
  </header>`;
}

/** Written in the language it leads to. */
function LanguageLink() {
  const other = otherLanguage();
  const dir = other === "ar" ? "rtl" : "ltr";
  return html`<a class="quiet" href=${`?lang=${other}`} lang=${other} hreflang=${other} dir=${dir}
    onClick=${(/** @type {Event} */ event) => {
      event.preventDefault();
      void chooseLanguage(other);
    }}>${other === "ar" ? "العربية" : "English"}</a>`;
}

function ThemeButton() {
  useStore((state) => state.theme);
  const words = t(isDark() ? "nav.theme.light" : "nav.theme.dark");
  return html`<${IconButton} name=${isDark() ? "sun" : "moon"} words=${words} onClick=${toggleTheme}
    aria-keyshortcuts="T" />`;
}

/** Across the top, only while something is the matter. */
function Connection() {
  const live = useStore((state) => state.live);
  const session = useStore((state) => state.session);
  if (session === "ended") {
    return html`<div class="connection warn" role="alert" data-state="ended"><span>${t("live.ended")}</span>
      <button onClick=${() => attempt(() => signIn())}>${t("live.signin")}</button></div>`;
  }
  if (session === "closed")
    return html`<div class="connection bad" role="alert" data-state="closed">${t("live.closed")}</div>`;
  if (live === "open" || live === "connecting") return null;
  const words = { offline: "live.offline", waiting: "live.reconnecting", updating: "live.updating" }[live];
  return html`<div class="connection" role="status" data-state=${live}><span>${t(words)}</span>
    <button onClick=${reconnect}>${t("live.retry")}</button></div>`;
}

function Notice() {
  const words = useValue(notice);
  return (
    words &&
    html`<div class="connection bad" role="alert" data-state="notice"><span>${words}</span>
    <${IconButton} name="close" words=${t("close")} onClick=${() => notice.set("")} /></div>`
  );
}

const Footer = () => html`<footer class="bottom">
  <a href="/docs">${t("footer.reference")}</a><a href="/docs/errors">${t("footer.errors")}</a>
  <button class="quiet" onClick=${() => toggle("keys")} aria-keyshortcuts="?">${t("nav.help")}</button>
</footer>`;

function Announcer() {
  const words = useValue(announced);
  return html`<div class="hidden" role="status" aria-live="polite" data-announcer="">${words}</div>`;
}

/** @param {"drawer" | "keys"} panel */
const toggle = (panel) => store.set(({ panel: open }) => ({ panel: open === panel ? "" : panel }));

/** The picture that is in front: the stage's newest. */
const inFront = () => find(store.get().slots[0]?.id ?? "");

function Keys() {
  const onPicture = (/** @type {(doc: any) => Promise<unknown>} */ act) => () => {
    const doc = inFront();
    if (doc?.status === "completed") void attempt(() => act(doc));
  };
  const show = (/** @type {"create" | "gallery"} */ screen) => go({ screen, filters: {}, picture: "" });
  useKeys({
    "/": () => {
      if (!document.getElementById("search")) show("gallery");
      requestAnimationFrame(() => document.getElementById("search")?.focus());
    },
    KeyN: () => {
      if (!document.getElementById("prompt")) show("create");
      requestAnimationFrame(focusPrompt);
    },
    KeyG: () => show("gallery"),
    KeyC: () => show("create"),
    KeyA: () => toggle("drawer"),
    KeyB: cycleBoard,
    KeyL: onPicture(toggleLike),
    KeyD: onPicture((doc) => download(doc.id)),
    KeyT: toggleTheme,
    "?": () => toggle("keys"),
  });
  return null;
}
