/** The stage: what is being made, newest large, the others as lines. */
import { announce } from "./announce.js";
import { BoardControl } from "./board.js";
import { focusPrompt } from "./create.js";
import { setDraft } from "./draft.js";
import { eta, number, percent, place, size } from "./formats.js";
import { cancel, download, freshen, refresh, remove, toggleLike, undoRemove } from "./generations.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { has, t } from "./i18n.js";
import { Icon } from "./icons.js";
import { attempt } from "./notice.js";
import { Picture, Sample, altOf, smallOf, titleOf } from "./picture.js";
import { hrefOf } from "./route.js";
import { signIn } from "./session.js";
import { ask, askAgain, dismiss, stopSending } from "./slots.js";
import { useAsSource } from "./source.js";
import { useNow } from "./state.js";
import { useStore } from "./store.js";

/**
 * @typedef {import("./types.js").Slot} Slot
 * @typedef {import("./types.js").Generation} Generation
 * @typedef {{ slot: Slot, doc: Generation | undefined }} Shown
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
    .filter(({ slot, doc }) => deleted.get(slot.id) !== -1 && doc?.errorCode !== "cancelled");
  const [first, ...others] = shown;
  const lines = others.filter(({ doc }) => doc?.status !== "completed");
  return html`<section class="stage" aria-label=${t("stage.title")}>
    ${!first ? html`<${Empty} />` : deleted.has(first.slot.id) ? html`<${Deleted} id=${first.slot.id} />` : html`<${Large} key=${first.slot.key} ...${first} />`}
    ${lines.length > 0 && html`<ul class="lines">
      ${lines.map((one) => html`<li key=${one.slot.key}><${Line} ...${one} /></li>`)}
    </ul>`}
  </section>`;
}

/** One word for where a slot stands; views, tests and style sheets agree on it. @param {Shown} shown */
export function stateOf({ slot, doc }) {
  if (slot.phase === "limit") return "limit";
  if (slot.phase === "refused") return "failed";
  if (!doc) return slot.phase === "sent" ? "loading" : "sending";
  if (doc.status === "completed") return "done";
  if (doc.status === "failed") return "failed";
  if (doc.status === "queued") return "queued";
  return doc.stage === "finalizing" && doc.progress >= 90 ? "saving" : "drawing";
}

/** What a slot says: a heading, more, how long, how far. @param {Shown} shown */
function useWords(shown) {
  const before = useRef({});
  const { slot, doc } = shown;
  const state = stateOf(shown);
  const now = useNow(slot.phase === "limit" ? slot.until : 0);
  if (state === "limit") return limitWords(slot, now);
  if (state === "failed") return failureWords(shown);
  if (!doc) return { heading: state === "sending" ? t("stage.sending") : "", detail: "", time: "" };
  if (state === "queued") {
    const { pauseReason, queuePosition, estimatedTimeSeconds } = doc;
    const heading = queuePosition ? t("stage.waiting_at", { place: place(queuePosition) }) : t("stage.waiting");
    return { heading, detail: pauseReason ?? "", time: pauseReason ? "" : eta(estimatedTimeSeconds, "ready", before.current) };
  }
  if (state === "saving") return { heading: t("stage.saving"), detail: "", time: "" };
  return { heading: headingOf(doc), detail: "", time: eta(doc.estimatedTimeSeconds, "left", before.current) };
}

/** @param {Generation} doc */
function headingOf(doc) {
  if (doc.stage === "processing") return t("stage.preparing");
  if (doc.stage === "finalizing") return t("stage.clearing");
  return doc.progress > 8 ? t("stage.drawing_at", { percent: percent(doc.progress / 100) }) : t("stage.drawing");
}

/** @param {Slot} slot @param {number} now */
function limitWords(slot, now) {
  const seconds = Math.ceil((slot.until - now) / 1000);
  const rate = slot.problem?.limit ? t("stage.limit_rate", { limit: slot.problem.limit }) : "";
  const wait = seconds > 0 ? t("stage.go_on", { seconds }) : t("stage.go_on_now");
  return { heading: t("stage.limit"), detail: [rate, wait].filter(Boolean).join(" "), time: "" };
}

/** @param {Shown} shown */
function failureWords({ slot, doc }) {
  const code = doc?.errorCode ?? slot.problem?.code ?? "";
  if (code === "unreachable" || (!doc && !slot.problem)) {
    return { heading: t("error.unreachable"), detail: t("stage.kept"), time: "" };
  }
  const heading = doc ? (has(`failure.${code}`) ? t(`failure.${code}`) : (doc.error ?? t("stage.failed"))) : slot.problem?.detail;
  return { heading: heading || t("stage.failed"), detail: t("stage.kept"), time: "" };
}

/** Whether asking again may help; else the prompt wants another look. @param {Shown} shown */
function mayRetry({ slot, doc }) {
  if (doc) return doc.retryable ?? false;
  return !slot.problem?.code || slot.problem.code === "unreachable" || !slot.problem.detail || RETRY.has(slot.problem.code);
}
const RETRY = new Set([
  ...["internal", "too_busy", "database_unavailable", "fal_unavailable", "storage_unavailable"],
  ...["idempotency_in_flight", "not_signed_in", "unreadable"],
]);

/** @param {Shown} shown */
function Large(shown) {
  const { slot, doc } = shown;
  const state = stateOf(shown);
  const words = useWords(shown);
  useAnnouncement(state, words);
  return html`<article class="slot" data-state=${state} data-id=${slot.id || undefined} aria-busy=${isBusy(state)}>
    <div class="board" data-dim=${state === "failed"}>
      ${state === "done" && doc?.result
        ? html`<${Picture} src=${doc.result.imageUrl} alt=${altOf(doc)} onError=${() => refresh(doc.id)} />`
        : html`<${Sample} style=${slot.wish.style} source=${slot.wish.source?.preview} />`}
    </div>
    <div class="slot-words">
      ${state === "done" && doc ? html`<${Finished} doc=${doc} slot=${slot} />` : html`<${Under} ...${shown} words=${words} state=${state} />`}
    </div>
  </article>`;
}

/** @param {Shown & { state: string, words: { heading: string, detail: string, time: string } }} what */
function Under({ slot, doc, state, words }) {
  const isLate = useLate(QUIET_MS);
  const isQuiet = state === "loading" || (state === "sending" && !isLate);
  return html`
    <h2>${isQuiet ? "" : isMaking(state) ? t("stage.making") : words.heading}</h2>
    ${isBusy(state) && (state === "queued" || isQuiet ? html`<div class="no-bar"></div>` : html`<${Bar} state=${state} doc=${doc} words=${words} />`)}
    <p class="muted told"><span>${isMaking(state) ? words.heading : words.detail}</span><span>${words.time}</span></p>
    <p class="prompt-line muted" dir="auto">${slot.wish.prompt}</p>
    <${Actions} slot=${slot} doc=${doc} state=${state} />`;
}

/** @param {{ state: string, doc: Generation | undefined, words: { heading: string, time: string } }} what */
function Bar({ state, doc, words }) {
  const live = useStore((store) => store.live);
  const value = state === "saving" ? Math.max(SAVING, doc?.progress ?? 0) : (doc?.progress ?? 0);
  const isKnown = state === "saving" || (state === "drawing" && value > 0);
  return html`<div class="bar" role="progressbar" aria-label=${t("stage.progress")} data-known=${isKnown} data-paused=${live !== "open"}
    aria-valuemin="0" aria-valuemax="100" aria-valuenow=${isKnown ? value : undefined}
    aria-valuetext=${[words.heading, words.time].filter(Boolean).join(", ")}>
    <div style=${isKnown ? { inlineSize: `${value}%` } : {}}></div>
  </div>`;
}

/** @param {Shown & { state: string }} what */
function Actions({ slot, doc, state }) {
  const until = useStore((store) => store.limitedUntil);
  const isLimited = useNow(state === "limit" ? until : 0) < until;
  if (state === "sending") return html`<div class="row"><button onClick=${() => stopSending(slot.key)}>${t("cancel")}</button></div>`;
  if (state === "queued" || state === "drawing") {
    return html`<div class="row"><button onClick=${() => attempt(() => cancel(slot.id))}>${t("cancel")}</button></div>`;
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
  return html`<div class="row">
      ${isSignedOut
        ? html`<button onClick=${() => attempt(() => signIn())}>${t("live.signin")}</button>`
        : mayRetry({ slot, doc })
          ? html`<button onClick=${() => askAgain(slot)}>${t("retry")}</button>`
          : html`<button onClick=${edit}>${t("stage.edit")}</button>`}
      <button class="plain" onClick=${() => dismiss(slot.key)}>${t("stage.dismiss")}</button>
    </div>
    ${code && html`<details class="small">
      <summary>${t("stage.details")}</summary>
      <${Facts} facts=${[[t("stage.code"), code], [t("stage.request"), slot.problem?.requestId || slot.id]]} />
    </details>`}`;
}

/** @param {{ facts: [string, string][] }} what */
function Facts({ facts }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(facts.map((fact) => fact.join(": ")).join("\n"));
    setCopied(true);
  };
  return html`<dl class="facts">${facts.map(([name, value]) => html`<dt>${name}</dt><dd><code dir="ltr">${value}</code></dd>`)}</dl>
    <button class="plain" onClick=${copy}>${t(isCopied ? "copied" : "stage.copy_details")}</button>`;
}

/** @param {{ doc: Generation, slot: Slot }} what */
function Finished({ doc, slot }) {
  useEffect(() => void freshen(doc.id), []);
  const seconds = doc.completedAt ? Math.round((Date.parse(doc.completedAt) - Date.parse(doc.createdAt)) / 1000) : 0;
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

/**
 * What can be done with a picture, on the stage and in the viewer.
 * @param {{ doc: Generation, again: () => void, onDelete?: () => void, extra?: any }} what
 */
export function PictureActions({ doc, again, onDelete, extra }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    const href = hrefOf({ screen: "gallery", filters: {}, picture: doc.id });
    await navigator.clipboard.writeText(new URL(href, location.href).href);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  const action = (/** @type {any} */ name, /** @type {string} */ words, /** @type {() => unknown} */ act) =>
    html`<button class="icon-button" title=${words} aria-label=${words}
      onClick=${() => attempt(async () => act())}><${Icon} name=${name} /></button>`;
  return html`<div class="row wrap">
    <button onClick=${() => attempt(() => download(doc.id))} aria-keyshortcuts="D">
      <${Icon} name="download" />${t("picture.download")}</button>
    <button onClick=${again}><${Icon} name="again" />${t("picture.again")}</button>
    <span class="row tight">
      <${LikeButton} doc=${doc} />
      ${action("source", t("picture.source"), () => useAsSource(doc))}
      ${action(isCopied ? "check" : "link", t(isCopied ? "copied" : "picture.link"), copy)}
      <${BoardControl} />
      ${action("trash", t("picture.delete"), () => { onDelete?.(); return remove(doc.id); })}
      ${extra}
    </span>
  </div>`;
}

/** @param {{ doc: Generation }} what */
export const LikeButton = ({ doc }) => html`<button class="icon-button heart" aria-pressed=${doc.isLiked}
  aria-label=${t("picture.like")} title=${t("picture.like")} onClick=${() => attempt(() => toggleLike(doc))}>
  <${Icon} name="heart" filled=${doc.isLiked} /></button>`;

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
  const styles = useStore((state) => state.styles);
  const start = (/** @type {number} */ n) => {
    setDraft({ prompt: t(`stage.example.${n}`) });
    focusPrompt();
  };
  return html`<div class="slot empty" data-state="empty">
    <div class="samples board" aria-hidden="true">
      ${styles.map((style) => html`<img key=${style.id} src=${smallOf(style.previewImageUrl)} alt="" width="96" height="96" />`)}
    </div>
    <div class="empty-words">
      <h2>${t("stage.empty")}</h2>
      <ul class="examples" aria-label=${t("stage.examples")}>
        ${EXAMPLES.map((n) => html`<li key=${n}><button onClick=${() => start(n)}>${t(`stage.example.${n}`)}</button></li>`)}
      </ul>
    </div>
  </div>`;
}

/** @param {string} state */
const isMaking = (state) => state === "drawing" || state === "saving";

/** @param {string} state */
const isBusy = (state) => ["sending", "loading", "queued", "drawing", "saving"].includes(state);

/** Whether so much time has passed that silence would worry. @param {number} ms */
function useLate(ms) {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const waiting = setTimeout(() => setLate(true), ms);
    return () => clearTimeout(waiting);
  }, []);
  return isLate;
}

/** @param {string} state @param {{ heading: string, time: string, detail: string }} words */
function useAnnouncement(state, words) {
  const said = useRef("");
  const line = state === "done" ? t("stage.done") : [words.heading, words.time].filter(Boolean).join(", ");
  useEffect(() => {
    if (line) announce(line, { isChange: said.current !== state });
    said.current = state;
  }, [state, words.time]);
}
