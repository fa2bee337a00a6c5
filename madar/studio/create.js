/** The form: style, prompt, source image, shape, colours, and the one primary button. */
import { ColorsField } from "./colors_field.js";
import { MAX_PROMPT, RATIOS, isSameWish, lengthOf, setDraft } from "./draft.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./html.js";
import { t } from "./i18n.js";
import { useKeys } from "./keys.js";
import { smallOf } from "./picture.js";
import { ask } from "./slots.js";
import { SourceField } from "./source_field.js";
import { sourceState } from "./source.js";
import { useNow } from "./state.js";
import { useStore } from "./store.js";

const WARN_AT = 0.8;
const IS_MAC = /mac|iphone|ipad/i.test(navigator.platform);
/** A wish in a hurry may be sent from anywhere: an example on the stage, a shortcut. */
export const focusPrompt = () => document.getElementById("prompt")?.focus();

export function CreateForm() {
  const draft = useStore((state) => state.draft);
  const styles = useStore((state) => state.styles);
  const [missing, setMissing] = useState("");
  const wait = useWait();
  useEffect(() => setMissing(""), [draft]);
  if (!draft) return null;
  const send = () => {
    const fault = faultOf(draft);
    setMissing(fault);
    if (fault) return focusPrompt();
    if (wait) return;
    void ask(draft);
    showStage();
  };
  return html`<form class="create" aria-label=${t("create.title")} onSubmit=${(
    /** @type {Event} */ event,
  ) => {
    event.preventDefault();
    send();
  }}>
    <${Keys} send=${send} styles=${styles} />
    <${StyleField} chosen=${draft.style} styles=${styles} />
    <${PromptField} prompt=${draft.prompt} style=${draft.style} missing=${missing} />
    <${SourceField} source=${draft.source} />
    <${ShapeField} chosen=${draft.aspectRatio} />
    <${ColorsField} colors=${draft.colors} />
    <${GenerateButton} draft=${draft} wait=${wait} />
  </form>`;
}

/** Below the form on a narrow screen; nobody should have to look for it. */
function showStage() {
  const stage = document.querySelector(".stage");
  const isSeen = stage && stage.getBoundingClientRect().top < innerHeight * 0.6;
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
  if (stage && !isSeen) stage.scrollIntoView({ block: "start", behavior });
}

/** Seconds until the next picture may be asked for; the countdown enables the button by itself. */
function useWait() {
  const until = useStore((state) => state.limitedUntil);
  return Math.max(0, Math.ceil((until - useNow(until)) / 1000));
}

/** @param {import("./types.js").Wish} draft */
function faultOf(draft) {
  if (sourceState.get().name) return t("create.source.waiting");
  const over = lengthOf(draft.prompt) - MAX_PROMPT;
  if (over > 0) return t("create.over", { count: over });
  return draft.prompt.trim() || draft.source ? "" : t("create.prompt_missing");
}

/** @param {{ send: () => void, styles: import("./types.js").Style[] }} what */
function Keys({ send, styles }) {
  const choose = (/** @type {number} */ n) => () => styles[n] && setDraft({ style: styles[n].id });
  useKeys({
    "Ctrl+Enter": send,
    Digit1: choose(0),
    Digit2: choose(1),
    Digit3: choose(2),
    Digit4: choose(3),
    Digit5: choose(4),
  });
  return null;
}

/** @param {{ chosen: string, styles: import("./types.js").Style[] }} what */
function StyleField({ chosen, styles }) {
  const shown = styles.length ? styles : [...Array(5)].map(() => null);
  return html`<fieldset>
    <legend>${t("create.style")}</legend>
    <div class="tiles">
      ${shown.map((style, n) =>
        style
          ? html`<label class="tile" key=${style.id} title=${style.description}>
              <input type="radio" name="style" value=${style.id} checked=${style.id === chosen}
                onChange=${() => setDraft({ style: style.id })} />
              <span class="tile-picture">
                <img src=${smallOf(style.previewImageUrl)} alt="" width="56" height="56" /></span>
              <span class="tile-title">${style.title}</span>
            </label>`
          : html`<span class="tile" key=${n} aria-hidden="true">
              <span class="tile-picture skeleton"></span><span class="tile-title"></span></span>`,
      )}
    </div>
  </fieldset>`;
}

/** @param {{ prompt: string, style: string, missing: string }} what */
function PromptField({ prompt, style, missing }) {
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const example = useStore(({ styles }) => styles.find(({ id }) => id === style)?.defaultPrompt ?? "");
  useLayoutEffect(() => {
    if (!field.current) return;
    field.current.style.blockSize = "auto"; // grows with what is in it, as far as the sheet lets it
    field.current.style.blockSize = `${field.current.scrollHeight + 2}px`;
  }, [prompt]);
  const length = lengthOf(prompt);
  const isNear = length >= MAX_PROMPT * WARN_AT;
  const told = [missing && "prompt-missing", isNear && "prompt-left"].filter(Boolean).join(" ");
  return html`<div class="field-group">
    <label for="prompt">${t("create.prompt")}</label>
    <textarea id="prompt" ref=${field} dir=${prompt ? "auto" : undefined} rows="3" value=${prompt} aria-keyshortcuts="N"
      aria-invalid=${missing ? "true" : "false"} aria-describedby=${told || undefined}
      placeholder=${example && t("create.placeholder", { example })}
      onInput=${(/** @type {any} */ event) => setDraft({ prompt: event.currentTarget.value })}></textarea>
    ${missing && html`<p id="prompt-missing" class="bad small" role="alert">${missing}</p>`}
    ${
      isNear &&
      html`<p id="prompt-left" class=${length > MAX_PROMPT ? "bad small" : "muted small"}>
      ${leftOf(length)}</p>`
    }
  </div>`;
}

/** @param {number} length */
const leftOf = (length) =>
  length > MAX_PROMPT
    ? t("create.over", { count: length - MAX_PROMPT })
    : t("create.left", { count: MAX_PROMPT - length });

/** @param {{ chosen: string }} what */
function ShapeField({ chosen }) {
  return html`<fieldset>
    <legend>${t("create.shape")}</legend>
    <div class="shapes">
      ${RATIOS.map((ratio) => {
        const [wide, high] = ratio.split(":").map(Number);
        const unit = 16 / Math.max(wide, high);
        return html`<label class="shape" key=${ratio}>
          <input type="radio" name="shape" value=${ratio} checked=${ratio === chosen}
            onChange=${() => setDraft({ aspectRatio: ratio })} />
          <span class="shape-box" style=${{ inlineSize: `${wide * unit}px`, blockSize: `${high * unit}px` }}></span>
          <bdi>${ratio}</bdi>
        </label>`;
      })}
    </div>
  </fieldset>`;
}

/** @param {{ draft: import("./types.js").Wish, wait: number }} what */
function GenerateButton({ draft, wait }) {
  const last = useStore((state) => state.slots[0]?.wish);
  const isAgain = last && isSameWish(last, draft);
  return html`<button class="primary wide generate" disabled=${wait > 0} data-state=${wait ? "limit" : "ready"}
    aria-keyshortcuts="Control+Enter">
    ${
      wait
        ? html`<span class="tabular">${t("create.wait", { seconds: wait })}</span>`
        : html`<span>${t(isAgain ? "create.again" : "create.generate")}</span>
          <kbd dir="ltr" aria-hidden="true">${IS_MAC ? "⌘ ↵" : "Ctrl ↵"}</kbd>`
    }
  </button>`;
}
