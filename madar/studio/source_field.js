/** The source image: dropped anywhere on the page, pasted, chosen, or taken with a phone's camera. */
import { html, useEffect, useState } from "./html.js";
import { parts, t } from "./i18n.js";
import { Icon, IconButton } from "./icons.js";
import { imageIn, removeSource, setSource, sourceState } from "./source.js";
import { go } from "./route.js";
import { useValue } from "./state.js";

const ACCEPTED = "image/png,image/jpeg,image/webp,.heic,.heif";
const HAS_CAMERA = matchMedia("(pointer: coarse)").matches;

/** @param {{ source: import("./types.js").Source | null }} what */
export function SourceField({ source }) {
  const { name, preview, fault } = useValue(sourceState);
  const shown = source ?? (name ? { name, preview } : null);
  return html`<div class="field-group" role="group" aria-labelledby="source-label"
    data-state=${name ? "uploading" : source ? "ready" : fault ? "refused" : "empty"}>
    <span id="source-label" class="label">${t("create.source")}</span>
    ${shown ? html`<${Chosen} ...${shown} isUploading=${Boolean(name)} />` : html`<${Empty} />`}
    ${fault && html`<p class="bad small" role="alert">${fault}</p>`}
  </div>`;
}

function Empty() {
  return html`<div class="drop">
    <p>${parts("create.source.drop", { choose: html`<${Choose} words=${t("create.source.choose")} />` })}</p>
    <p class="muted small">${t("create.source.kinds")}</p>
    ${HAS_CAMERA && html`<${Choose} words=${t("create.source.camera")} isCamera=${true} />`}
  </div>`;
}

/** @param {{ words: string, isCamera?: boolean }} what */
const Choose = ({ words, isCamera = false }) => html`<label class="file-link">
  <input type="file" accept=${ACCEPTED} capture=${isCamera ? "environment" : undefined}
    onChange=${(/** @type {any} */ event) => {
      const file = event.currentTarget.files[0];
      event.currentTarget.value = "";
      if (file) void setSource(file);
    }} />${words}</label>`;

/** @param {{ name: string, preview: string, isUploading: boolean }} what */
function Chosen({ name, preview, isUploading }) {
  return html`<div class="source">
    ${preview ? html`<img src=${preview} alt="" />` : html`<span class="no-preview"><${Icon} name="source" /></span>`}
    <div class="source-words">
      ${name && html`<bdi class="ellipsis">${name}</bdi>`}
      <span class="muted small" role="status">
        ${isUploading ? t("create.source.uploading", { name }) : t("create.source.ready")}</span>
    </div>
    <${IconButton} name="close" words=${t("create.source.remove")} onClick=${removeSource} />
  </div>`;
}

/** The whole page takes a picture; while one is above it, an overlay says where it lands. */
export function DropAnywhere() {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const take = (/** @type {File} */ file) => {
      go({ screen: "create", filters: {}, picture: "" });
      void setSource(file);
    };
    const has = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
    /** @type {[string, (event: any) => void][]} */
    const listeners = [
      ["dragenter", (event) => has(event) && setOver(++depth > 0)],
      ["dragleave", (event) => has(event) && setOver(--depth > 0)],
      ["dragover", (event) => has(event) && event.preventDefault()],
      [
        "drop",
        (event) => {
          if (!has(event)) return;
          event.preventDefault();
          setOver(false);
          depth = 0;
          const file = imageIn(event.dataTransfer);
          if (file) take(file);
        },
      ],
      [
        "paste",
        (event) => {
          const file = imageIn(event.clipboardData);
          if (!file) return;
          event.preventDefault();
          take(file);
        },
      ],
    ];
    for (const [name, listener] of listeners) addEventListener(name, listener);
    return () => listeners.forEach(([name, listener]) => removeEventListener(name, listener));
  }, []);
  return (
    isOver && html`<div class="drop-overlay" data-state="drop"><p>${t("create.source.overlay")}</p></div>`
  );
}
