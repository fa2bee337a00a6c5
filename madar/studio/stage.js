/** The stage: what is being made, newest large, the others as lines. */
import { copy } from "./clipboard.js";
import { focusPrompt } from "./create.js";
import { setDraft } from "./draft.js";
import { number, size } from "./formats.js";
import { GONE, cancel, freshen, refresh, undoRemove } from "./generations.js";
import { html, useEffect, useState } from "./html.js";
import { t } from "./i18n.js";
import { attempt } from "./notice.js";
import { Picture, Sample, Samples, altOf, titleOf } from "./picture.js";
import { PictureActions } from "./picture_actions.js";
import { signIn } from "./session.js";
import { isBusy, isMaking, mayRetry, stateOf, useAnnouncement, useWords } from "./slot_words.js";
import { ask, askAgain, dismiss, stopSending } from "./slots.js";
import { useNow } from "./state.js";
import { useStore } from "./store.js";

/**
 * @typedef {import("./types.js").Slot} Slot
 * @typedef {import("./types.js").Generation} Generation
 * @typedef {import("./slot_words.js").Shown} Shown
 * @typedef {import("./slot_words.js").Words} Words
 */

const QUIET_MS = 400;
const SAVING = 95;
const EXAMPLES = [1, 2, 3];

export function Stage() {
  const slots = useStore((state) => state.slots);
  const generations = useStore((state) => state.generations);
  const deleted = useStore((state) => state.deleted);
  const shown = slots
    .map((slot) => ({ slot, doc: generations.get(slot.id) }))
    .filter(({ slot, doc }) => deleted.get(slot.id) !== GONE && doc?.errorCode !== "cancelled");
  const [first, ...others] = shown;
  const lines = others.filter(({ doc }) => doc?.status !== "completed");
  return html`<section class="stage" aria-label=${t("stage.title")}>
    ${first ? html`<${Front} key=${first.slot.key} ...${first} />` : html`<${Empty} />`}
    ${
      lines.length > 0 &&
      html`<ul class="lines">
      ${lines.map((one) => html`<li key=${one.slot.key}><${Line} ...${one} /></li>`)}
    </ul>`
    }
  </section>`;
}

/** @param {Shown} shown */
function Front(shown) {
  const isDeleted = useStore((state) => state.deleted.has(shown.slot.id));
  return isDeleted ? html`<${Deleted} id=${shown.slot.id} />` : html`<${Large} ...${shown} />`;
}

/** @param {Shown} shown */
function Large(shown) {
  const { slot, doc } = shown;
  const state = stateOf(shown);
  const words = useWords(shown);
  useAnnouncement(state, words);
  const result = state === "done" ? doc?.result : undefined;
  return html`<article class="slot" data-state=${state} data-id=${slot.id || undefined} aria-busy=${isBusy(state)}>
    <div class="board" data-dim=${state === "failed"}>
      ${
        doc && result
          ? html`<${Picture} src=${result.imageUrl} alt=${altOf(doc)} onError=${() => refresh(doc.id)} />`
          : html`<${Sample} style=${slot.wish.style} source=${slot.wish.source?.preview} />`
      }
    </div>
    <div class="slot-words">
      ${
        doc && result
          ? html`<${Finished} doc=${doc} slot=${slot} />`
          : html`<${Under} ...${shown} words=${words} state=${state} />`
      }
    </div>
  </article>`;
}

/** @param {Shown & { state: string, words: Words }} what */
function Under({ slot, doc, state, words }) {
  const isLate = useLate(QUIET_MS);
  const isQuiet = state === "loading" || (state === "sending" && !isLate);
  return html`
    <h2>${isQuiet ? "" : isMaking(state) ? t("stage.making") : words.heading}</h2>
    ${isBusy(state) && html`<${Bar} isHidden=${state === "queued" || isQuiet} state=${state} doc=${doc} words=${words} />`}
    <p class="muted told"><span>${isMaking(state) ? words.heading : words.detail}</span><span>${words.time}</span></p>
    <p class="prompt-line muted" dir="auto">${slot.wish.prompt}</p>
    <${Actions} slot=${slot} doc=${doc} state=${state} />`;
}

/** While Fal has not told how far a drawing is, nobody knows. @param {Generation | undefined} doc */
const hasFigures = (doc) => Boolean(doc?.steps) || doc?.stage === "finalizing";

/** @param {{ isHidden: boolean, state: string, doc: Generation | undefined, words: Words }} what */
function Bar({ isHidden, state, doc, words }) {
  const live = useStore((store) => store.live);
  if (isHidden) return html`<div class="no-bar"></div>`;
  const value = state === "saving" ? Math.max(SAVING, doc?.progress ?? 0) : (doc?.progress ?? 0);
  const isKnown = state === "saving" || (state === "drawing" && hasFigures(doc));
  return html`<div class="bar" role="progressbar" aria-label=${t("stage.progress")} data-known=${isKnown}
    data-paused=${live !== "open"} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${isKnown ? value : undefined}
    aria-valuetext=${[words.heading, words.time].filter(Boolean).join(", ")}>
    <div style=${isKnown ? { inlineSize: `${value}%` } : {}}></div>
  </div>`;
}

/** @param {Shown & { state: string }} what */
function Actions({ slot, doc, state }) {
  const until = useStore((store) => store.limitedUntil);
  const isLimited = useNow(state === "limit" ? until : 0) < until;
  if (["sending", "queued", "drawing"].includes(state)) {
    const stop = () => (state === "sending" ? stopSending(slot.key) : attempt(() => cancel(slot.id)));
    return html`<div class="row"><button onClick=${stop}>${t("cancel")}</button></div>`;
  }
  if (state === "limit") {
    return html`<div class="row">
      <button disabled=${isLimited} onClick=${() => askAgain(slot)}>${t("retry")}</button>
      <button class="plain" onClick=${() => dismiss(slot.key)}>${t("stage.dismiss")}</button>
    </div>`;
  }
  return state === "failed" ? html`<${AfterFailure} slot=${slot} doc=${doc} />` : null;
}

/** @param {Shown} shown */
function AfterFailure({ slot, doc }) {
  const isSignedOut = useStore((state) => state.session === "ended");
  const code = doc?.errorCode ?? slot.problem?.code;
  const edit = () => {
    setDraft(slot.wish);
    focusPrompt();
  };
  /** @type {[string, () => unknown]} */
  const [words, act] = isSignedOut
    ? [t("live.signin"), () => attempt(() => signIn())]
    : mayRetry({ slot, doc })
      ? [t("retry"), () => askAgain(slot)]
      : [t("stage.edit"), edit];
  const requestId = slot.problem?.requestId;
  const facts = [
    [t("stage.code"), code],
    requestId ? [t("stage.request"), requestId] : [t("viewer.id"), slot.id],
  ];
  return html`<div class="row">
      ${code !== "quota_exceeded" && html`<button onClick=${act}>${words}</button>`}
      <button class="plain" onClick=${() => dismiss(slot.key)}>${t("stage.dismiss")}</button>
    </div>
    ${
      code &&
      html`<details class="small">
      <summary>${t("stage.details")}</summary>
      <${Facts} facts=${facts} />
    </details>`
    }`;
}

/** @param {{ facts: [string, string][] }} what */
function Facts({ facts }) {
  const [isCopied, setCopied] = useState(false);
  const copyFacts = async () => {
    await copy(facts.map((fact) => fact.join(": ")).join("\n"));
    setCopied(true);
  };
  return html`<dl class="facts">
      ${facts.map(([name, value]) => html`<dt>${name}</dt><dd><code dir="ltr">${value}</code></dd>`)}
    </dl>
    <button class="plain" onClick=${copyFacts}>${t(isCopied ? "copied" : "stage.copy_details")}</button>`;
}

/** @param {{ doc: Generation, slot: Slot }} what */
function Finished({ doc, slot }) {
  useEffect(() => void freshen(doc.id), []);
  const seconds = doc.completedAt
    ? Math.round((Date.parse(doc.completedAt) - Date.parse(doc.createdAt)) / 1000)
    : 0;
  const { width = 0, height = 0 } = doc.result?.dimensions ?? {};
  return html`
    <h2 class="prompt-line" dir="auto">${doc.prompt}</h2>
    <p class="muted facts-line">
      <span>${titleOf(doc.style)}</span>
      <span dir="ltr">${number(width)} × ${number(height)}</span>
      <span>${size(doc.result?.fileSize ?? 0)}</span>
      ${seconds > 0 && html`<span>${t("stage.took", { seconds })}</span>`}
    </p>
    <${PictureActions} doc=${doc} again=${() => ask(slot.wish)} />`;
}

/** @param {Shown} shown */
function Line(shown) {
  const state = stateOf(shown);
  const words = useWords(shown);
  return html`<div class="line" data-state=${state} data-id=${shown.slot.id || undefined}>
    <span class="state-dot" aria-hidden="true"></span>
    <span class="line-words"><strong>${words.heading}</strong>
      <span class="muted">${words.time || words.detail}</span>
      <span class="muted ellipsis" dir="auto">${shown.slot.wish.prompt}</span></span>
    <${Actions} ...${shown} state=${state} />
  </div>`;
}

/** As long as that can be undone. @param {{ id: string }} what */
const Deleted = ({ id }) => html`<div class="slot" data-state="deleted" role="status">
  <div class="board"></div>
  <div class="slot-words"><h2>${t("picture.deleted")}</h2>
    <div class="row"><button onClick=${() => attempt(() => undoRemove(id))}>${t("picture.undo")}</button></div></div>
</div>`;

function Empty() {
  const start = (/** @type {number} */ n) => {
    setDraft({ prompt: t(`stage.example.${n}`) });
    focusPrompt();
  };
  return html`<div class="slot empty" data-state="empty">
    <${Samples} />
    <div class="empty-words">
      <h2>${t("stage.empty")}</h2>
      <ul class="examples" aria-label=${t("stage.examples")}>
        ${EXAMPLES.map(
          (n) => html`<li key=${n}>
            <button onClick=${() => start(n)}>${t(`stage.example.${n}`)}</button></li>`,
        )}
      </ul>
    </div>
  </div>`;
}

/** Whether so much time has passed that silence would worry. @param {number} ms */
function useLate(ms) {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const waiting = setTimeout(() => setLate(true), ms);
    return () => clearTimeout(waiting);
  }, []);
  return isLate;
}
