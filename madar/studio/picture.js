/** A picture on its board: decoded before it is shown, in a place that was kept for it. */
import { html, useEffect, useState } from "./html.js";
import { t } from "./i18n.js";
import { store, useStore } from "./store.js";

/** @typedef {import("./types.js").Style} Style */

/**
 * `meanwhile` is the same picture, smaller, from a list that showed it already.
 * @param {{ src: string, alt: string, meanwhile?: string, onError?: () => void }} what
 */
export function Picture({ src, alt, meanwhile = "", onError }) {
  const [shown, setShown] = useState("");
  useEffect(() => {
    let isWanted = true;
    const picture = new Image();
    picture.src = src;
    picture.decode().then(
      () => isWanted && setShown(src),
      () => isWanted && onError?.(),
    );
    return () => void (isWanted = false);
  }, [src]);
  const kind = shown ? "shown" : meanwhile && "meanwhile";
  return html`<img class=${`picture ${kind}`} src=${shown || meanwhile || undefined} alt=${alt} />`;
}

/** A sample's small twin where the sample is ours; tiles need no more. @param {string} url */
export function smallOf(url) {
  const { pathname } = new URL(url, location.href);
  return pathname.startsWith("/previews/") ? pathname.replace("/previews/", "/previews/small/") : url;
}

/** @param {string} id @returns {Style | undefined} */
export const styleOf = (id) => store.get().styles.find((style) => style.id === id);

/** @param {string} id */
export const titleOf = (id) => styleOf(id)?.title ?? id;

/** @param {{ prompt: string, style: string }} doc */
export const altOf = ({ prompt, style }) => t("picture.alt", { prompt, style: titleOf(style) });

/**
 * What stands in until there is a picture: the source, or a sample of the style, out of focus.
 * @param {{ style: string, source?: string }} what
 */
export function Sample({ style, source = "" }) {
  const url = useStore(({ styles }) => styles.find(({ id }) => id === style)?.previewImageUrl ?? "");
  const src = source || (url && smallOf(url));
  return src ? html`<img class="sample" src=${src} alt="" />` : null;
}

/** One of each style, for a place that has nothing else to show. */
export function Samples() {
  const styles = useStore((state) => state.styles);
  return html`<div class="samples board" aria-hidden="true">
    ${styles.map(
      (style) =>
        html`<img key=${style.id} src=${smallOf(style.previewImageUrl)} alt="" width="96" height="96" />`,
    )}
  </div>`;
}
