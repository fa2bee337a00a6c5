/** The gallery: search, filters, a grid, many at once. Everything chosen is in the address. */
import { age, number } from "./formats.js";
import { GONE, download, refresh, remove, undoRemove } from "./generations.js";
import { list, follow, load, more } from "./gallery_list.js";
import { html, useEffect, useMemo, useRef, useState } from "./html.js";
import { t } from "./i18n.js";
import { Icon } from "./icons.js";
import { useKeys } from "./keys.js";
import { marked } from "./marks.js";
import { attempt } from "./notice.js";
import { Picture, altOf } from "./picture.js";
import { go, hrefOf, link } from "./route.js";
import { LikeButton } from "./picture_actions.js";
import { useValue } from "./state.js";
import { useStore } from "./store.js";

/**
 * @typedef {import("./types.js").Generation} Generation
 * @typedef {import("./types.js").Filters} Filters
 */

const TYPING_MS = 250;

/** @param {{ pageSize: number, title: string, isMain?: boolean }} what */
export function Gallery({ pageSize, title, isMain = false }) {
  const filters = useStore((state) => state.route.filters);
  const language = useStore((state) => state.language);
  const { ids, total, next, phase } = useValue(list);
  const [selected, setSelected] = useState(/** @type {Set<string> | null} */ (null));
  const reload = () => void load(filters, pageSize);
  useEffect(reload, [filters, pageSize, language]);
  useEffect(() => follow(reload), [filters, pageSize]);
  const toggleSelecting = () => setSelected(selected ? null : new Set());
  useKeys({ KeyX: toggleSelecting });
  const deleted = useStore((state) => state.deleted);
  const shown = ids.filter((id) => deleted.get(id) !== GONE);
  const left = Math.max(shown.length, total - (ids.length - shown.length));
  const hasFilters = Object.keys(filters).length > 0;
  const heading = isMain ? html`<h1>${title}</h1>` : html`<h2 class="section-heading">${title}</h2>`;
  return html`<section class="gallery" aria-label=${title} data-state=${phase}>
    <div class="gallery-head">${heading}
      ${
        shown.length > 0 &&
        html`<button class="plain" aria-pressed=${Boolean(selected)} aria-keyshortcuts="X"
        onClick=${toggleSelecting}>${t(selected ? "gallery.select_done" : "gallery.select")}</button>`
      }</div>
    <${Filterbar} filters=${filters} />
    ${
      phase === "error" &&
      html`<div class="message" role="alert"><p>${t("gallery.error")}</p>
      <button onClick=${reload}>${t("retry")}</button></div>`
    }
    ${selected && html`<${SelectionBar} selected=${selected} done=${() => setSelected(null)} />`}
    ${
      phase === "ready" && shown.length === 0
        ? html`<${Nothing} filters=${filters} hasFilters=${hasFilters} isMain=${isMain} />`
        : html`<${Grid} ids=${shown} search=${filters.search ?? ""} isLoading=${phase === "loading" && !ids.length}
          selected=${selected} select=${setSelected} />`
    }
    ${
      shown.length > 0 &&
      html`<div class="more">
      ${next && html`<button onClick=${() => void more()}>${t("gallery.more")}</button>`}
      <span class="muted tabular">${t("gallery.count", { shown: number(shown.length), total: number(left) })}</span>
    </div>`
    }
  </section>`;
}

/** @param {{ filters: Filters }} what */
function Filterbar({ filters }) {
  const styles = useStore((state) => state.styles);
  const set = (/** @type {Filters} */ change) =>
    go({ filters: { ...filters, ...change } }, { replace: true });
  return html`<div class="filters" role="search">
    <${SearchField} value=${filters.search ?? ""} change=${(/** @type {string} */ search) => set({ search })} />
    <span class="select"><select aria-label=${t("gallery.style")} value=${filters.style ?? ""}
      onChange=${(/** @type {any} */ event) => set({ style: event.currentTarget.value })}>
      <option value="">${t("gallery.all_styles")}</option>
      ${styles.map((style) => html`<option key=${style.id} value=${style.id}>${style.title}</option>`)}
    </select><${Icon} name="down" /></span>
    <span class="select"><select aria-label=${t("gallery.sort")} value=${filters.sort ?? ""}
      onChange=${(/** @type {any} */ event) => set({ sort: event.currentTarget.value })}>
      <option value="">${t("gallery.newest")}</option>
      <option value="oldest">${t("gallery.oldest")}</option>
    </select><${Icon} name="down" /></span>
    <button class="toggle" aria-pressed=${Boolean(filters.liked)}
      onClick=${() => set({ liked: filters.liked ? "" : "1" })}>
      <span aria-hidden="true">♥</span>${t("gallery.liked")}</button>
  </div>`;
}

/** @param {{ value: string, change: (search: string) => void }} what */
function SearchField({ value, change }) {
  const [text, setText] = useState(value);
  const typing = useRef(/** @type {any} */ (0));
  useEffect(() => {
    if (value !== text.trim()) setText(value);
  }, [value]);
  const write = (/** @type {string} */ next) => {
    setText(next);
    clearTimeout(typing.current);
    typing.current = setTimeout(() => change(next.trim()), TYPING_MS);
  };
  return html`<input id="search" type="search" dir=${text ? "auto" : undefined} value=${text} maxlength="200"
    placeholder=${t("gallery.search")} aria-label=${t("gallery.search")} aria-keyshortcuts="/"
    onInput=${(/** @type {any} */ event) => write(event.currentTarget.value)} />`;
}

/**
 * @param {{ ids: string[], search: string, isLoading: boolean, selected: Set<string> | null,
 *   select: (ids: Set<string>) => void }} what
 */
function Grid({ ids, search, isLoading, selected, select }) {
  const generations = useStore((state) => state.generations);
  const deleted = useStore((state) => state.deleted);
  if (isLoading) {
    return html`<ul class="grid" aria-busy="true" aria-label=${t("loading")}>
      ${[...Array(8)].map(
        (_, n) => html`<li class="tile-card" key=${n}>
          <div class="board skeleton"></div><p class="skeleton text"></p></li>`,
      )}
    </ul>`;
  }
  const toggle = (/** @type {string} */ id) => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    select(next);
  };
  return html`<ul class="grid">
    ${ids.map((id) => {
      const doc = generations.get(id);
      if (!doc && !deleted.has(id)) return null;
      if (deleted.has(id)) return html`<li class="tile-card" key=${id}><${Deleted} id=${id} /></li>`;
      return html`<li class="tile-card" key=${id} data-id=${id}><${Card} doc=${doc} search=${search}
        isSelected=${selected?.has(id)} toggle=${selected ? () => toggle(id) : undefined} /></li>`;
    })}
  </ul>`;
}

/** @param {{ doc: Generation, search: string, isSelected?: boolean, toggle?: () => void }} what */
function Card({ doc, search, isSelected = false, toggle }) {
  const pieces = useMemo(() => marked(doc.prompt, search), [doc.prompt, search]);
  const open = (/** @type {MouseEvent} */ event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    if (toggle) toggle();
    else go({ picture: doc.id });
  };
  const press = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Delete") void attempt(() => remove(doc.id));
  };
  return html`
    <div class="board">
      <a href=${hrefOf({ picture: doc.id })} onClick=${open} onKeyDown=${press}
        aria-label=${t("picture.open", { prompt: doc.prompt })}>
        <${Picture} src=${doc.result?.thumbnailUrl} alt=${altOf(doc)} onError=${() => refresh(doc.id)} /></a>
      ${
        toggle
          ? html`<input class="check" type="checkbox" checked=${isSelected} onChange=${toggle}
            aria-label=${t("picture.select", { prompt: doc.prompt })} />`
          : html`<${LikeButton} doc=${doc} />`
      }
    </div>
    <p class="card-prompt ellipsis" dir="auto" title=${doc.prompt}>
      ${pieces.map((piece, n) => (n % 2 ? html`<mark>${piece}</mark>` : piece))}</p>
    <p class="muted small"><time dateTime=${doc.createdAt}>${age(doc.createdAt)}</time></p>`;
}

/** In place of the card, as long as it can be undone. @param {{ id: string }} what */
function Deleted({ id }) {
  return html`<div class="board deleted" data-state="deleted" role="status">
    <p>${t("picture.deleted")}</p>
    <button onClick=${() => attempt(() => undoRemove(id))}>${t("picture.undo")}</button>
  </div>`;
}

/** @param {{ filters: Filters, hasFilters: boolean, isMain: boolean }} what */
function Nothing({ filters, hasFilters, isMain }) {
  if (!hasFilters) {
    return html`<div class="message" data-state="empty"><p><strong>${t("gallery.empty")}</strong></p>
      <p class="muted">${t("gallery.empty_hint")}</p>
      ${isMain && html`<a class="button" ...${link({ screen: "create" })}>${t("gallery.create")}</a>`}</div>`;
  }
  const words = filters.search
    ? t("gallery.no_match", { search: filters.search })
    : t("gallery.no_match_filters");
  return html`<div class="message" data-state="no-match"><p><strong>${words}</strong></p>
    <button onClick=${() => go({ filters: {} })}>${t("gallery.clear")}</button></div>`;
}

/** @param {{ selected: Set<string>, done: () => void }} what */
function SelectionBar({ selected, done }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const [at, setAt] = useState(0);
  const count = selected.size;
  const downloadAll = () =>
    attempt(async () => {
      const ids = [...selected];
      if (ids.length === 1) return download(ids[0]);
      const { downloadZipOf } = await import("./zip.js");
      await downloadZipOf(ids, setAt);
    }).finally(() => setAt(0));
  const deleteAll = async () => {
    dialog.current?.close();
    await attempt(() => Promise.all([...selected].map(remove)));
    done();
  };
  return html`<div class="selection" role="toolbar" aria-label=${t("gallery.selected", { count })}>
    <span class="tabular" role="status">
      ${at ? t("gallery.downloading", { n: at, total: count }) : t("gallery.selected", { count })}</span>
    <button disabled=${!count || at > 0} onClick=${downloadAll}>${t("gallery.download", { count })}</button>
    <button disabled=${!count} class="danger" onClick=${() => dialog.current?.showModal()}>
      ${t("gallery.delete", { count })}</button>
    <dialog ref=${dialog} class="ask" aria-labelledby="delete-ask">
      <h2 id="delete-ask">${t("gallery.delete_ask", { count })}</h2>
      <p class="muted">${t("gallery.delete_hint")}</p>
      <div class="row end"><button onClick=${() => dialog.current?.close()}>${t("cancel")}</button>
        <button class="danger" onClick=${deleteAll}>${t("gallery.delete", { count })}</button></div>
    </dialog>
  </div>`;
}
