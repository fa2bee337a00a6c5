/** Up to five colours: a click edits, Delete removes, dragging or the arrow keys put them in order. */
import { hasNames, loadNames, nameOf, parseHex } from "./colors.js";
import { MAX_COLORS, setDraft } from "./draft.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { t } from "./i18n.js";
import { Icon, IconButton } from "./icons.js";
import { useValue } from "./state.js";

const FRESH = ["#5b3df5", "#c0394b", "#f2a541", "#2fc58a", "#0a2fe8"];

/** @param {{ colors: string[] }} what */
export function ColorsField({ colors }) {
  const [edited, setEdited] = useState(-1);
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  useValue(hasNames);
  useEffect(() => void loadNames(), []);
  const set = (/** @type {string[]} */ next) => setDraft({ colors: next });
  const focus = (/** @type {number} */ n) =>
    requestAnimationFrame(() => /** @type {any} */ (list.current?.querySelectorAll("button")[n])?.focus());
  const remove = (/** @type {number} */ n) => {
    set(colors.filter((_, other) => other !== n));
    setEdited(-1);
    focus(Math.min(n, colors.length - 1));
  };
  const move = (/** @type {number} */ from, /** @type {number} */ to) => {
    if (to < 0 || to >= colors.length || from === to) return;
    const next = colors.filter((_, n) => n !== from);
    next.splice(to, 0, colors[from] ?? "");
    set(next);
    if (edited === from) setEdited(to);
    focus(to);
  };
  const add = () => {
    set([...colors, FRESH[colors.length] ?? "#5b3df5"]);
    setEdited(colors.length);
  };
  return html`<fieldset>
    <legend>${t("create.colors")}</legend>
    <div class="swatches" ref=${list}>
      ${colors.map(
        (color, n) => html`<${Swatch} key=${n} color=${color} n=${n} isEdited=${edited === n}
        edit=${() => setEdited(edited === n ? -1 : n)} remove=${() => remove(n)} move=${move} />`,
      )}
      ${
        colors.length < MAX_COLORS &&
        html`<button type="button" class="swatch add" onClick=${add}
        aria-label=${t("create.color.add")} title=${t("create.color.add")}><${Icon} name="plus" /></button>`
      }
    </div>
    ${
      colors[edited] &&
      html`<${Editor} key=${edited} color=${colors[edited]}
      change=${(/** @type {string} */ color) => set(colors.map((one, n) => (n === edited ? color : one)))}
      remove=${() => remove(edited)} done=${() => {
        setEdited(-1);
        focus(edited);
      }}
      move=${(/** @type {number} */ by) => move(edited, edited + by)} />`
    }
  </fieldset>`;
}

/**
 * @param {{ color: string, n: number, isEdited: boolean, edit: () => void, remove: () => void,
 *   move: (from: number, to: number) => void }} what
 */
function Swatch({ color, n, isEdited, edit, remove, move }) {
  const name = nameOf(color);
  const drag = (/** @type {DragEvent} */ event) => event.dataTransfer?.setData("text/madar-color", String(n));
  const press = (/** @type {KeyboardEvent} */ event) => {
    // The arrows follow sight: to the right is to the earlier one in Arabic.
    const onward = document.documentElement.dir === "rtl" ? -1 : 1;
    const steps = { ArrowRight: onward, ArrowLeft: -onward };
    if (event.key === "Delete" || event.key === "Backspace") remove();
    else if (event.key in steps) move(n, n + steps[/** @type {keyof steps} */ (event.key)]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<span class="swatch-place" onDragOver=${(/** @type {Event} */ event) => event.preventDefault()}
    onDrop=${(/** @type {DragEvent} */ event) => {
      const from = event.dataTransfer?.getData("text/madar-color");
      if (from) move(Number(from), n);
    }}>
    <button type="button" class="swatch" draggable=${true} style=${{ backgroundColor: color }}
      aria-label=${t("create.color.edit", { position: n + 1, name })} aria-expanded=${isEdited}
      title=${t("create.color.hint")} onClick=${edit} onKeyDown=${press}
      onDragStart=${drag}></button>
    <span class="swatch-name small">${name}</span>
  </span>`;
}

/**
 * @param {{ color: string, change: (color: string) => void, remove: () => void, done: () => void,
 *   move: (by: number) => void }} what
 */
function Editor({ color, change, remove, done, move }) {
  const [text, setText] = useState(color);
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => field.current?.select(), []);
  const isBad = !parseHex(text);
  const write = (/** @type {string} */ value) => {
    setText(value);
    const hex = parseHex(value);
    if (hex) change(hex);
  };
  const press = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    done();
  };
  return html`<div class="color-editor" data-state="editing">
    <input type="color" class="swatch" value=${color} aria-label=${t("create.color.pick")}
      onInput=${(/** @type {any} */ event) => write(event.currentTarget.value)} />
    <input ref=${field} class="hex" dir="ltr" value=${text} maxlength="12" spellcheck=${false}
      aria-label=${t("create.color.hex")} aria-invalid=${isBad} aria-describedby=${isBad ? "color-bad" : undefined} onKeyDown=${press}
      onInput=${(/** @type {any} */ event) => write(event.currentTarget.value)} />
    <${IconButton} name="previous" mirrors words=${t("create.color.earlier")} onClick=${() => move(-1)} />
    <${IconButton} name="next" mirrors words=${t("create.color.later")} onClick=${() => move(1)} />
    <${IconButton} name="trash" words=${t("create.color.remove")} onClick=${remove} />
    <${IconButton} name="check" words=${t("create.color.done")} onClick=${done} />
    ${
      isBad &&
      html`<p id="color-bad" class="bad small" role="alert">
      ${t("create.color.bad", { example: "#3e7bfa" })}</p>`
    }
  </div>`;
}
