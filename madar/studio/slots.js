/** The stage's places: what was asked for, sent once each, kept over a reload. */
import { Problem, call, newKey } from "./api.js";
import { find, isRunning, refresh, take } from "./generations.js";
import { keep, recall } from "./kept.js";
import { store } from "./store.js";

/**
 * @typedef {import("./types.js").Slot} Slot
 * @typedef {import("./types.js").Wish} Wish
 * @typedef {import("./types.js").Generation} Generation
 */

const KEPT = 8;
// The server remembers a key for a day; a wish that old is not sent by itself any more.
const RESEND_MS = 10 * 60_000;
// What is further away than that is no countdown but a refusal.
const LONGEST_COUNTDOWN_S = 15 * 60;
/** @type {Map<string, AbortController>} */
const sending = new Map();

/** Those of the last visit; what was never answered is sent again, under the same key. */
export function restore() {
  /** @type {Slot[]} */
  const kept = recall("slots", []);
  // A limit that has passed is no news; the wish is in the form.
  const slots = kept.filter((slot) => slot.phase !== "limit" || slot.until > Date.now());
  store.set({ slots });
  for (const slot of slots) {
    if (slot.id) void refresh(slot.id).then(dropTheGone);
    else if (slot.phase === "sending" && Date.now() - slot.at < RESEND_MS) void send(slot);
    else if (slot.phase === "sending") change(slot.key, { phase: "refused" });
    else if (slot.phase === "limit") waitUntil(slot.until);
  }
}

/** @param {Wish} wish */
export function ask(wish) {
  return add({ wish, retryOf: "" });
}

/**
 * What the server never answered goes out again under its key, so that it is not made twice. A picture
 * that failed is asked for anew, with another seed.
 * @param {Slot} slot
 */
export function askAgain(slot) {
  if (!slot.id) {
    change(slot.key, { phase: "sending", problem: null });
    return send(slot);
  }
  dismiss(slot.key);
  const doc = find(slot.id);
  const retryOf = doc?.status === "failed" && doc.retryable ? doc.id : "";
  return add({ wish: slot.wish, retryOf });
}

/** After an absence: what could not be sent meanwhile. */
export function sendTheLost() {
  for (const slot of store.get().slots) {
    if (slot.phase === "refused" && slot.problem?.code === "unreachable") void askAgain(slot);
  }
}

/** @param {{ wish: Wish, retryOf: string }} what */
function add({ wish, retryOf }) {
  /** @type {Slot} */
  const slot = {
    ...{ key: newKey(), id: "", phase: "sending", problem: null, until: 0 },
    wish,
    retryOf,
    at: Date.now(),
  };
  setSlots([slot, ...store.get().slots.filter((one) => one.phase !== "limit")]);
  return send(slot);
}

/** @param {Slot} slot */
async function send(slot) {
  const way = new AbortController();
  sending.set(slot.key, way);
  try {
    const made = slot.retryOf
      ? await call("POST", `/api/generations/${slot.retryOf}/retry`, { key: slot.key, signal: way.signal })
      : await call("POST", "/api/generations", {
          body: bodyOf(slot.wish),
          key: slot.key,
          signal: way.signal,
        });
    if (!find(made.id)) take([firstLook(made, slot.wish)]);
    change(slot.key, { id: made.id, phase: "sent", problem: null });
    if (find(made.id)?.version === 0) await refresh(made.id);
  } catch (error) {
    if (!way.signal.aborted) refuse(slot.key, error);
  } finally {
    sending.delete(slot.key);
  }
}

/**
 * What is known before the server has told all of it: whatever it tells is newer.
 * @param {any} made
 * @param {Wish} wish
 * @returns {Generation}
 */
const firstLook = (made, wish) => ({
  ...{ version: 0, stage: "queued", seed: "", isLiked: false, createdAt: new Date().toISOString() },
  ...{ style: wish.style, prompt: wish.prompt, aspectRatio: wish.aspectRatio, customColors: wish.colors },
  ...{ inputType: wish.source ? "image" : "text", sourceUploadId: wish.source?.uploadId },
  ...made,
});

/**
 * @param {string} key
 * @param {unknown} error
 */
function refuse(key, error) {
  if (!(error instanceof Problem)) console.error(error);
  const problem = error instanceof Problem ? error : new Problem("internal");
  if (problem.status === 401) return change(key, { phase: "refused", problem: told(problem) });
  const isLimit = problem.status === 429 && problem.retryAfterS <= LONGEST_COUNTDOWN_S;
  if (!isLimit) return change(key, { phase: "refused", problem: told(problem) });
  const until = Date.now() + problem.retryAfterS * 1000;
  waitUntil(until);
  change(key, { phase: "limit", problem: told(problem), until });
}

/** @param {Problem} problem */
const told = ({ code, detail, requestId, limit, faults }) => ({
  code,
  detail: faults[0]?.detail || detail,
  requestId,
  limit,
});

/** Whoever shows a countdown looks again when it is over. @param {number} until */
function waitUntil(until) {
  store.set({ limitedUntil: until });
  setTimeout(() => store.set(({ slots }) => ({ slots: [...slots] })), Math.max(0, until - Date.now()) + 50);
}

/** @param {Wish} wish */
export function bodyOf(wish) {
  return {
    style: wish.style,
    ...(wish.prompt.trim() ? { textPrompt: wish.prompt.trim() } : {}),
    aspectRatio: wish.aspectRatio,
    ...(wish.colors.length ? { customColors: wish.colors } : {}),
    inputType: wish.source ? "image" : "text",
    ...(wish.source ? { sourceUploadId: wish.source.uploadId } : {}),
  };
}

/** Stops what is still being sent. @param {string} key */
export function stopSending(key) {
  sending.get(key)?.abort();
  dismiss(key);
}

/** @param {string} key */
export function dismiss(key) {
  setSlots(store.get().slots.filter((slot) => slot.key !== key));
}

/** What runs and was not asked for here: another tab, another device. @param {Generation[]} docs */
export function adopt(docs) {
  const known = new Set(store.get().slots.map((slot) => slot.id));
  const waiting = store.get().slots.some((slot) => slot.phase === "sending");
  // The answer to what is just being sent may come after its first event.
  const found = waiting ? [] : docs.filter((doc) => isRunning(doc) && !known.has(doc.id));
  if (found.length) setSlots([...store.get().slots, ...found.map(slotOf)].sort((a, b) => b.at - a.at));
}

/**
 * @param {Generation} doc
 * @returns {Slot}
 */
export function slotOf(doc) {
  const at = Date.parse(doc.createdAt);
  return {
    key: doc.id,
    id: doc.id,
    phase: "sent",
    problem: null,
    until: 0,
    retryOf: "",
    at,
    wish: wishOf(doc),
  };
}

/**
 * @param {Generation} doc
 * @returns {Wish}
 */
export function wishOf(doc) {
  const source = doc.sourceUploadId
    ? { uploadId: doc.sourceUploadId, name: "", preview: doc.sourceImageUrl ?? "" }
    : null;
  const { style, prompt, aspectRatio, customColors } = doc;
  return { style, prompt, aspectRatio, colors: customColors, source };
}

function dropTheGone() {
  const { slots, generations } = store.get();
  const there = slots.filter((slot) => !slot.id || generations.has(slot.id));
  if (there.length < slots.length) setSlots(there);
}

/**
 * @param {string} key
 * @param {Partial<Slot>} what
 */
function change(key, what) {
  setSlots(store.get().slots.map((slot) => (slot.key === key ? { ...slot, ...what } : slot)));
}

/** @param {Slot[]} slots */
function setSlots(slots) {
  store.set({ slots: slots.slice(0, KEPT) });
  keep("slots", store.get().slots);
}
