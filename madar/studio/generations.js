/** Every picture this page knows, by its version, and what can be done with one. */
import { call } from "./api.js";
import { store } from "./store.js";

/**
 * @typedef {import("./types.js").Generation} Generation
 * @typedef {import("./types.js").Slot} Slot
 */

const UNDO_S = 8;
/** Instead of a time: deleted, and not to be undone here. */
export const GONE = -1;
// Links live for 10 to 15 minutes; whoever shows an older one asks again.
const LINKS_LIVE_MS = 9 * 60_000;
/** @type {Map<string, number>} */
const seenAt = new Map();

/** @param {string} id */
export const find = (id) => store.get().generations.get(id);

/** @param {Generation} doc */
export const isRunning = (doc) => doc.status === "queued" || doc.status === "processing";

/**
 * Whole documents; an older one than is known changes nothing (docs/live.md, Versions).
 * @param {Generation[]} docs
 */
export function take(docs) {
  store.set(({ generations }) => {
    const known = new Map(generations);
    for (const doc of docs) {
      if ((known.get(doc.id)?.version ?? 0) > doc.version) continue;
      known.set(doc.id, doc);
      seenAt.set(doc.id, Date.now());
    }
    return { generations: known };
  });
  for (const { id } of docs) if (store.get().deleted.get(id) === GONE) mark(id, 0);
}

/**
 * An event tells a part. What is not known at all is read as a whole.
 * @param {any} event
 * @returns {Promise<Generation | undefined>} what is known then
 */
export async function hear(event) {
  const doc = find(event.generationId);
  if (!doc) await refresh(event.generationId);
  else if (event.version > doc.version) await learn(doc, event);
  if (event.type === "generation:completed") for (const listener of [...completions]) listener();
  return find(event.generationId);
}

/**
 * @param {Generation} doc
 * @param {any} event
 */
async function learn(doc, event) {
  const { type: _, generationId: __, estimatedTimeRemaining, ...rest } = event;
  const progress = isRunning({ ...doc, ...rest }) ? Math.max(doc.progress, rest.progress) : rest.progress;
  const told = { ...gone(doc), ...rest, progress };
  if (estimatedTimeRemaining !== undefined) told.estimatedTimeSeconds = estimatedTimeRemaining;
  take([told]);
  // What no event carries: when it ended, whether asking again helps, a reason in this language.
  if (!isRunning(told) || (rest.pauseReason && !doc.pauseReason)) await refresh(doc.id);
}

/** @type {Set<() => void>} */
const completions = new Set();

/** Told of every picture that is completed, wherever it was asked for. @param {() => void} listener */
export function onCompleted(listener) {
  completions.add(listener);
  return () => void completions.delete(listener);
}

/**
 * What an event leaves out is not so any more.
 * @param {Generation} doc
 * @returns {Generation}
 */
function gone(doc) {
  const { stage, steps, queuePosition, pauseReason, estimatedTimeSeconds, error, errorCode, ...rest } = doc;
  return rest;
}

/** @param {string} id */
export async function refresh(id) {
  try {
    take([await call("GET", `/api/generations/${id}`)]);
  } catch (error) {
    if (/** @type {any} */ (error).status === 404) forget(id);
  }
}

/** Before its links are shown again after a while. @param {string} id */
export async function freshen(id) {
  if (Date.now() - (seenAt.get(id) ?? 0) > LINKS_LIVE_MS) await refresh(id);
}

/** @param {string} id */
export function forget(id) {
  store.set(({ generations }) => {
    const known = new Map(generations);
    known.delete(id);
    return { generations: known };
  });
  if (!store.get().deleted.has(id)) mark(id, GONE);
}

/** @param {Generation} doc */
export async function toggleLike(doc) {
  const isLiked = !doc.isLiked;
  take([{ ...doc, isLiked }]);
  try {
    take([await call("PATCH", `/api/generations/${doc.id}`, { body: { isLiked } })]);
  } catch (error) {
    const known = find(doc.id);
    if (known) take([{ ...known, isLiked: doc.isLiked }]);
    throw error;
  }
}

/** @param {string} id */
export async function cancel(id) {
  try {
    take([await call("POST", `/api/generations/${id}/cancel`)]);
  } catch (error) {
    // It ended in the same moment: then that is what to show.
    if (/** @type {any} */ (error).code !== "generation_ended") throw error;
    await refresh(id);
  }
}

/** At once, and for eight seconds it can be undone. @param {string} id */
export async function remove(id) {
  const until = Date.now() + UNDO_S * 1000;
  mark(id, until);
  try {
    await call("DELETE", `/api/generations/${id}`);
  } catch (error) {
    mark(id, 0);
    throw error;
  }
  setTimeout(() => {
    if (store.get().deleted.get(id) === until) {
      mark(id, GONE);
      forget(id);
    }
  }, UNDO_S * 1000);
}

/** @param {string} id */
export async function undoRemove(id) {
  take([await call("POST", `/api/generations/${id}/restore`)]);
  mark(id, 0);
}

/**
 * @param {string} id
 * @param {number} until when it cannot be undone any more; 0: it is there; GONE
 */
function mark(id, until) {
  store.set(({ deleted }) => {
    const marked = new Map(deleted);
    if (until) marked.set(id, until);
    else marked.delete(id);
    return { deleted: marked };
  });
}

/**
 * The PNG and the name that the server gives it.
 * @param {string} id
 * @returns {Promise<{ downloadUrl: string, filename: string }>}
 */
export const fileOf = (id) => call("GET", `/api/generations/${id}/download`);

/** @param {string} id */
export async function download(id) {
  const { downloadUrl, filename } = await fileOf(id);
  save(downloadUrl, filename);
}

/** @param {string} url @param {string} filename */
export function save(url, filename) {
  const link = document.createElement("a");
  link.href = url;
  link.download = filename;
  link.rel = "noopener";
  document.body.append(link);
  link.click();
  link.remove();
}
