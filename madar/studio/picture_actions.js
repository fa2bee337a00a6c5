/** What can be done with a picture, on the stage and in the viewer. */
import { BoardControl } from "./board.js";
import { copy } from "./clipboard.js";
import { download, remove, toggleLike } from "./generations.js";
import { html, useState } from "./html.js";
import { t } from "./i18n.js";
import { Icon, IconButton } from "./icons.js";
import { attempt } from "./notice.js";
import { hrefOf } from "./route.js";
import { useAsSource } from "./source.js";

/** @typedef {import("./types.js").Generation} Generation */

const COPIED_MS = 2000;

/** @param {{ doc: Generation, again: () => void, onDelete?: () => void, extra?: any }} what */
export function PictureActions({ doc, again, onDelete, extra }) {
  const act = (/** @type {(doc: Generation) => unknown} */ what) => () => attempt(async () => what(doc));
  return html`<div class="row wrap">
    <button onClick=${act(({ id }) => download(id))} aria-keyshortcuts="D">
      <${Icon} name="download" />${t("picture.download")}</button>
    <button onClick=${again}><${Icon} name="again" />${t("picture.again")}</button>
    <span class="row tight">
      <${LikeButton} doc=${doc} />
      <${IconButton} name="source" words=${t("picture.source")} onClick=${act(useAsSource)} />
      <${CopyLink} id=${doc.id} />
      <${BoardControl} />
      <${IconButton} name="trash" words=${t("picture.delete")} onClick=${() => {
        onDelete?.();
        void attempt(() => remove(doc.id));
      }} />
      ${extra}
    </span>
  </div>`;
}

/** @param {{ doc: Generation }} what */
export const LikeButton = ({ doc }) => html`<${IconButton} name="heart" filled=${doc.isLiked} kind="heart"
  words=${t("picture.like")} aria-pressed=${doc.isLiked} onClick=${() => attempt(() => toggleLike(doc))} />`;

/** @param {{ id: string }} what */
function CopyLink({ id }) {
  const [isCopied, setCopied] = useState(false);
  const copyLink = async () => {
    const href = hrefOf({ screen: "gallery", filters: {}, picture: id });
    await copy(new URL(href, location.href).href);
    setCopied(true);
    setTimeout(() => setCopied(false), COPIED_MS);
  };
  return html`<${IconButton} name=${isCopied ? "check" : "link"} onClick=${copyLink}
    words=${t(isCopied ? "copied" : "picture.link")} />`;
}
