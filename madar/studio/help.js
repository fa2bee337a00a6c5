/** All shortcuts, in one place. */
import { html, useEffect, useRef } from "./html.js";
import { t } from "./i18n.js";
import { IconButton } from "./icons.js";
import { letters, useKeys } from "./keys.js";
import { store } from "./store.js";

const KEYS = [
  ["/", "search"],
  ["N", "prompt"],
  ["1 – 5", "style"],
  ["Ctrl / ⌘ ↵", "generate"],
  ["G", "gallery"],
  ["C", "create"],
  ["A", "api"],
  ["B", "board"],
  ["L", "like"],
  ["D", "download"],
  ["R", "again"],
  ["I", "details"],
  ["Del", "delete"],
  ["X", "select"],
  ["T", "theme"],
  ["?", "help"],
  ["Esc", "close"],
];
const close = () => store.set({ panel: "" });

export function Help() {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    dialog.current?.showModal();
    dialog.current?.focus();
  }, []);
  useKeys({ Escape: close, "?": close }, { isOnly: () => store.get().panel === "keys" });
  return html`<dialog ref=${dialog} tabindex="-1" class="help" aria-labelledby="help-title" onClose=${close}>
    <header class="row"><h2 id="help-title">${t("keys.title")}</h2>
      <${IconButton} name="close" words=${t("close")} onClick=${close} /></header>
    ${!letters.get() && html`<p class="warn">${t("keys.off")}</p>`}
    <dl class="shortcuts">
      ${KEYS.map(
        ([key, name]) => html`<div key=${name}>
          <dt><kbd dir="ltr">${key}</kbd></dt><dd>${t(`keys.${name}`)}</dd></div>`,
      )}
    </dl>
  </dialog>`;
}
