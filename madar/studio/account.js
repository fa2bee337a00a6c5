/** The account: name, language, numbers, sessions, export, and the way out. */
import { call } from "./api.js";
import { age, day, number } from "./formats.js";
import { html, useEffect, useState } from "./html.js";
import { t } from "./i18n.js";
import { letters, setLetters } from "./keys.js";
import { chooseLanguage } from "./language.js";
import { attempt } from "./notice.js";
import { titleOf } from "./picture.js";
import { deleteAccount, signIn, signOut, signOutEverywhere } from "./session.js";
import { useValue } from "./state.js";
import { store, useStore } from "./store.js";

export function Account() {
  const user = useStore((state) => state.user);
  const [stats, setStats] = useState(/** @type {any} */ (undefined));
  const [sessions, setSessions] = useState(/** @type {any[] | undefined} */ (undefined));
  const readSessions = async () => setSessions((await call("GET", "/api/auth/sessions")).sessions);
  useEffect(() => {
    void attempt(async () => setStats(await call("GET", "/api/user/stats"))).then(
      (is) => is || setStats(null),
    );
    void attempt(readSessions).then((is) => is || setSessions([]));
  }, []);
  // All at once, so that nothing moves when one of them comes later.
  if (!user || stats === undefined || sessions === undefined) return null;
  return html`<div class="account">
    <h1>${t("account.title")}</h1>
    <p class="muted" dir="ltr">${user.email}</p>
    <${NameForm} user=${user} />
    <${LanguageChoice} />
    <${Stats} stats=${stats} />
    <${Sessions} sessions=${sessions} read=${readSessions} />
    <${Letters} />
    <section class="card padded stack"><h2>${t("account.export")}</h2><p class="muted">${t("account.export_hint")}</p>
      <div><a class="button" href="/api/user/export" download="madar.json">${t("account.export")}</a></div></section>
    <${Leaving} email=${user.email} />
  </div>`;
}

/** @param {{ user: import("./types.js").User }} what */
function NameForm({ user }) {
  const [name, setName] = useState(user.displayName);
  const [isSaved, setSaved] = useState(false);
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    void attempt(async () => {
      const profile = await call("PATCH", "/api/user/profile", { body: { displayName: name } });
      store.set({ user: { ...user, displayName: profile.displayName } });
      setSaved(true);
    });
  };
  return html`<form class="card padded stack" onSubmit=${save}>
    <label class="field">${t("account.name")}
      <input name="displayName" dir="auto" value=${name} autocomplete="name" maxlength="100" required
        onInput=${(/** @type {any} */ event) => {
          setName(event.currentTarget.value);
          setSaved(false);
        }} /></label>
    <div class="row"><button>${t("account.save")}</button>
      ${isSaved && html`<span class="ok small" role="status">${t("account.saved")}</span>`}</div>
  </form>`;
}

function LanguageChoice() {
  const language = useStore((state) => state.language);
  return html`<fieldset class="card padded"><legend class="inside">${t("account.language")}</legend>
    <div class="row">${[
      ["en", "English"],
      ["ar", "العربية"],
    ].map(
      ([id, name]) => html`<label class="choice" key=${id}>
      <input type="radio" name="language" value=${id} checked=${id === language}
        onChange=${() => chooseLanguage(/** @type {any} */ (id))} />
      <span lang=${id}>${name}</span></label>`,
    )}</div></fieldset>`;
}

/** @param {{ stats: any }} what */
function Stats({ stats }) {
  /** @type {[string, string][]} */
  const numbers = [
    ["made", "totalGenerations"],
    ["likes", "totalLikes"],
    ["downloads", "totalDownloads"],
  ];
  return html`<section class="card padded stack"><h2>${t("account.stats")}</h2>
    <ul class="numbers">${numbers.map(
      ([key, field]) => html`<li key=${key}>
      <strong class="tabular">${stats ? number(stats[field]) : "–"}</strong>
        <span class="muted">${t(`account.stats.${key}`)}</span></li>`,
    )}</ul>
    ${
      stats &&
      html`<dl class="facts">
      ${stats.favoriteStyle && html`<dt>${t("account.stats.favorite")}</dt><dd>${titleOf(stats.favoriteStyle)}</dd>`}
      <dt>${t("account.stats.joined")}</dt><dd>${day(stats.joinedAt)}</dd></dl>`
    }
  </section>`;
}

/** @param {{ sessions: any[], read: () => Promise<unknown> }} what */
function Sessions({ sessions, read }) {
  const end = (/** @type {string} */ id) =>
    attempt(() => call("DELETE", `/api/auth/sessions/${id}`).then(read));
  const seen = (/** @type {any} */ one) =>
    one.isCurrent ? t("account.session.here") : t("account.session.seen", { when: age(one.lastSeenAt) });
  return html`<section class="card padded stack"><h2>${t("account.sessions")}</h2>
    <ul class="sessions">${sessions.map(
      (one) => html`<li key=${one.id}>
      <div><bdi class="ellipsis">${browserOf(one.userAgent)}</bdi>
        <span class="muted small">${seen(one)}</span></div>
      ${!one.isCurrent && html`<button onClick=${() => end(one.id)}>${t("account.session.end")}</button>`}</li>`,
    )}</ul>
    <div class="row wrap"><button onClick=${() => attempt(signOut)}>${t("account.signout")}</button>
      <button onClick=${() => attempt(signOutEverywhere)}>${t("account.sessions.end")}</button></div>
  </section>`;
}

// Most browsers claim to be others too, so the rarest claim comes first.
const BROWSERS = [
  ["Edg", "Edge"],
  ["OPR", "Opera"],
  ["SamsungBrowser", "Samsung Internet"],
  ["Firefox", "Firefox"],
  ["FxiOS", "Firefox"],
  ["CriOS", "Chrome"],
  ["Chrome", "Chrome"],
  ["Safari", "Safari"],
];
const SYSTEMS = [
  ["Android", "Android"],
  ["iPhone", "iPhone"],
  ["iPad", "iPad"],
  ["Windows", "Windows"],
  ["Mac OS X", "macOS"],
  ["CrOS", "ChromeOS"],
  ["Linux", "Linux"],
];

/** @param {string} agent */
function browserOf(agent) {
  const nameIn = (/** @type {string[][]} */ names) =>
    names.find(([claim = ""]) => agent.includes(claim))?.[1];
  return [nameIn(BROWSERS), nameIn(SYSTEMS)].filter(Boolean).join(" · ") || agent || "–";
}

function Letters() {
  const isOn = useValue(letters);
  return html`<section class="card padded stack"><label class="choice">
    <input type="checkbox" checked=${isOn} onChange=${() => setLetters(!isOn)} />
    <strong>${t("account.shortcuts")}</strong></label>
    <p class="muted">${t("account.shortcuts_hint")}</p></section>`;
}

/** @param {{ email: string }} what */
function Leaving({ email }) {
  const [isAsked, setAsked] = useState(false);
  const [text, setText] = useState("");
  const [mustSignIn, setMustSignIn] = useState(false);
  const leave = (/** @type {Event} */ event) => {
    event.preventDefault();
    void attempt(async () => {
      try {
        await deleteAccount();
      } catch (error) {
        setMustSignIn(/** @type {any} */ (error).code === "sign_in_again");
        throw error;
      }
    });
  };
  const isSure = text.trim().toLowerCase() === email.toLowerCase();
  return html`<section class="card padded stack"><h2>${t("account.delete")}</h2>
    <p class="muted">${t("account.delete_hint")}</p>
    ${
      !isAsked &&
      html`<div>
      <button class="danger" onClick=${() => setAsked(true)}>${t("account.delete")}</button></div>`
    }
    ${
      isAsked &&
      html`<form class="stack" onSubmit=${leave}>
      <label class="field">${t("account.delete_confirm")}
        <input dir="ltr" autocomplete="off" value=${text} placeholder=${email}
          onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)} /></label>
      <div class="row"><button class="danger" disabled=${!isSure}>${t("account.delete")}</button>
        <button type="button" class="plain" onClick=${() => setAsked(false)}>${t("cancel")}</button>
        ${
          mustSignIn &&
          html`<button type="button" onClick=${() => attempt(() => signIn())}>
          ${t("live.signin")}</button>`
        }</div>
    </form>`
    }</section>`;
}
