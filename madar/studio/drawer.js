/** What this tab asks of the API and hears from it, for those who will build on it. */
import { calls, forget, onCall } from "./calls.js";
import { copy } from "./clipboard.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { locale, t } from "./i18n.js";
import { IconButton } from "./icons.js";
import { useKeys } from "./keys.js";
import { asCurl, asFetch, asTypeScript } from "./snippets.js";
import { store } from "./store.js";

/** @typedef {import("./types.js").Call} Call */

const KINDS = /** @type {const} */ ([
  ["curl", asCurl],
  ["fetch", asFetch],
  ["typescript", asTypeScript],
]);
const close = () => store.set({ panel: "" });

export function Drawer() {
  const [list, setList] = useState(calls);
  const panel = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => onCall(() => setList(calls())), []);
  useEffect(() => {
    const before = document.activeElement;
    panel.current?.focus();
    return () => /** @type {HTMLElement | null} */ (before)?.focus?.();
  }, []);
  useKeys({ Escape: close });
  return html`<aside ref=${panel} tabindex="-1" class="drawer" aria-label=${t("drawer.title")} data-state="open">
    <header class="row"><h2>${t("drawer.title")}</h2>
      <button class="plain" onClick=${forget}>${t("drawer.clear")}</button>
      <${IconButton} name="close" words=${t("close")} onClick=${close} /></header>
    <p class="muted small">${t("drawer.masked")}</p>
    ${list.length === 0 && html`<p class="muted">${t("drawer.empty")}</p>`}
    <ol class="calls">${list.map((call) => html`<li key=${call.id}><${One} call=${call} /></li>`)}</ol>
  </aside>`;
}

/** @param {{ call: Call }} what */
function One({ call }) {
  const [isOpen, setOpen] = useState(false);
  const isEvent = call.kind === "event";
  const time = new Intl.DateTimeFormat(locale(), { timeStyle: "medium" }).format(call.at);
  const isBad = !isEvent && (call.status === 0 || call.status >= 400);
  return html`<details onToggle=${(/** @type {any} */ event) => setOpen(event.currentTarget.open)}>
    <summary dir="ltr"><span class="method">${isEvent ? t("drawer.event") : call.method}</span>
      <code class="ellipsis">${call.path}</code>
      <span class=${isBad ? "bad tabular" : "muted tabular"}>${isEvent ? "" : call.status || t("drawer.failed")}</span>
      <span class="muted tabular">${isEvent ? html`<bdi>${time}</bdi>` : `${call.ms} ms`}</span></summary>
    ${isOpen && html`<${Bodies} call=${call} />`}
  </details>`;
}

/** @param {{ call: Call }} what */
function Bodies({ call }) {
  const [copied, setCopied] = useState("");
  const copyCall = async (/** @type {string} */ kind, /** @type {string} */ text) => {
    await copy(text);
    setCopied(kind);
  };
  const asked = call.body ?? call.form;
  return html`<div class="bodies">
    ${
      call.kind === "call" &&
      html`<div class="row wrap">${KINDS.map(
        ([kind, write]) => html`<button class="small-button" key=${kind}
      onClick=${() => copyCall(kind, write(call))}>${t(copied === kind ? "copied" : `drawer.copy.${kind}`)}</button>`,
      )}</div>`
    }
    ${asked && html`<h3>${t("drawer.request")}</h3><${Json} value=${asked} />`}
    ${call.answer !== null && html`<h3>${t("drawer.response")}</h3><${Json} value=${call.answer} />`}
  </div>`;
}

/** @param {{ value: unknown }} what */
const Json = ({ value }) => html`<pre dir="ltr" tabindex="0">${JSON.stringify(value, null, 2)}</pre>`;
