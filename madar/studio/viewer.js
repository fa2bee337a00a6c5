/** One picture in full: arrows walk what the gallery shows, Esc goes back to the same card. */
import { cycleBoard } from "./board.js";
import { hasNames, loadNames, nameOf } from "./colors.js";
import { moment, number, size } from "./formats.js";
import { download, find, freshen, refresh, remove, toggleLike } from "./generations.js";
import { neighbours } from "./gallery_list.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { t } from "./i18n.js";
import { IconButton } from "./icons.js";
import { useKeys } from "./keys.js";
import { attempt } from "./notice.js";
import { Picture, altOf, titleOf } from "./picture.js";
import { go } from "./route.js";
import { ask, wishOf } from "./slots.js";
import { PictureActions } from "./picture_actions.js";
import { useValue } from "./state.js";
import { store, useStore } from "./store.js";

/** @typedef {import("./types.js").Generation} Generation */

export function Viewer() {
  const id = useStore((state) => state.route.picture);
  return id ? html`<${Open} id=${id} />` : null;
}

/** @param {{ id: string }} what */
function Open({ id }) {
  const doc = useStore((state) => state.generations.get(id));
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const latest = useRef(id);
  latest.current = id;
  const [isGone, setGone] = useState(false);
  const [hasDetails, setDetails] = useState(false);
  useEffect(() => {
    dialog.current?.showModal();
    dialog.current?.focus(); // on none of its buttons
    return () => focusCard(latest.current);
  }, []);
  useEffect(() => {
    setGone(false);
    void (find(id) ? freshen(id) : refresh(id)).then(() => setGone(!find(id)));
  }, [id]);
  const close = () => go({ picture: "" });
  const { previous, next } = neighbours(id);
  const walk = (/** @type {string} */ to) => to && go({ picture: to }, { replace: true });
  // The arrows follow sight: in Arabic the next one is on the other side.
  const [before, after] = document.documentElement.dir === "rtl" ? [next, previous] : [previous, next];
  const withDoc = (/** @type {(doc: Generation) => Promise<unknown>} */ act) => () =>
    doc && attempt(() => act(doc));
  const again = () => {
    if (!doc) return;
    void ask(wishOf(doc));
    go({ screen: "create", picture: "", filters: {} });
  };
  const leave = () => (next || previous ? walk(next || previous) : close());
  const erase = withDoc((one) => {
    leave();
    return remove(one.id);
  });
  useKeys(
    {
      ArrowLeft: () => walk(before),
      ArrowRight: () => walk(after),
      KeyB: cycleBoard,
      KeyL: withDoc(toggleLike),
      KeyD: withDoc((one) => download(one.id)),
      KeyR: again,
      KeyI: () => setDetails((is) => !is),
      Delete: erase,
      Escape: close,
    },
    { isOnly: () => store.get().route.picture !== "" },
  );
  return html`<dialog ref=${dialog} tabindex="-1" class="viewer" aria-label=${t("viewer.title")} onCancel=${(
    /** @type {Event} */ event,
  ) => {
    event.preventDefault();
    close();
  }} data-state=${isGone ? "gone" : doc ? "open" : "loading"}>
    <div class="viewer-picture board">
      ${
        doc?.result &&
        html`<${Picture} key=${id} src=${doc.result.imageUrl} meanwhile=${doc.result.thumbnailUrl}
        alt=${altOf(doc)} onError=${() => refresh(id)} />`
      }
      ${isGone && html`<p>${t("viewer.gone")}</p>`}
    </div>
    <${IconButton} name="previous" mirrors kind="walk before" disabled=${!previous} words=${t("viewer.previous")}
      onClick=${() => walk(previous)} />
    <${IconButton} name="next" mirrors kind="walk after" disabled=${!next} words=${t("viewer.next")}
      onClick=${() => walk(next)} />
    <${IconButton} name="close" kind="viewer-close" words=${t("close")} onClick=${close} />
    ${
      doc &&
      html`<div class="viewer-words">
      <p class="prompt-line" dir="auto">${doc.prompt}</p>
      <${PictureActions} doc=${doc} again=${again} onDelete=${leave}
        extra=${html`<${IconButton} name="info" words=${t("viewer.details")} aria-expanded=${hasDetails}
          onClick=${() => setDetails(!hasDetails)} aria-keyshortcuts="I" />`} />
      ${hasDetails && html`<${Details} doc=${doc} />`}
    </div>`
    }
  </dialog>`;
}

/** Back to where one came from. @param {string} id */
function focusCard(id) {
  requestAnimationFrame(() =>
    /** @type {any} */ (document.querySelector(`[data-id="${CSS.escape(id)}"] a`))?.focus(),
  );
}

/** @param {{ doc: Generation }} what */
function Details({ doc }) {
  useValue(hasNames);
  useEffect(() => void loadNames(), []);
  const { width = 0, height = 0 } = doc.result?.dimensions ?? {};
  /** @type {[string, any][]} */
  const facts = [
    [t("viewer.style"), titleOf(doc.style)],
    [t("viewer.english"), doc.promptEnglish && html`<bdi dir="ltr" lang="en">${doc.promptEnglish}</bdi>`],
    [
      t("viewer.colors"),
      doc.customColors.length > 0 &&
        doc.customColors.map(
          (hex) => html`<span class="color-fact" key=${hex}>
      <span class="dot" style=${{ backgroundColor: hex }}></span>
          <bdi>${nameOf(hex)}</bdi> <code dir="ltr">${hex}</code></span>`,
        ),
    ],
    [t("viewer.size"), html`<span dir="ltr">${number(width)} × ${number(height)}</span>`],
    [t("viewer.file"), size(doc.result?.fileSize ?? 0)],
    [t("viewer.seed"), html`<code dir="ltr">${doc.seed}</code>`],
    [t("viewer.asked"), moment(doc.createdAt)],
    [t("viewer.ready"), doc.completedAt && moment(doc.completedAt)],
    [t("viewer.id"), html`<code dir="ltr">${doc.id}</code>`],
  ];
  return html`<dl class="facts" data-state="details">
    ${facts.map(([name, value]) => value && html`<dt key=${name}>${name}</dt><dd>${value}</dd>`)}
  </dl>`;
}
