/** Where a slot stands, in one word for programs and in sentences for people. */
import { announce } from "./announce.js";
import { eta, number, place } from "./formats.js";
import { useEffect, useRef } from "./html.js";
import { has, t } from "./i18n.js";
import { useNow } from "./state.js";

/**
 * @typedef {import("./types.js").Slot} Slot
 * @typedef {import("./types.js").Generation} Generation
 * @typedef {{ slot: Slot, doc: Generation | undefined }} Shown
 * @typedef {{ heading: string, detail: string, time: string }} Words
 */

// From where on the server only saves (madar/domain/progress.py).
const SAVING_FROM = 90;

/** One word for where a slot stands; views, tests and style sheets agree on it. @param {Shown} shown */
export function stateOf({ slot, doc }) {
  if (slot.phase === "limit") return "limit";
  if (slot.phase === "refused") return "failed";
  if (!doc) return slot.phase === "sent" ? "loading" : "sending";
  if (doc.status === "completed") return "done";
  if (doc.status === "failed") return "failed";
  if (doc.status === "queued") return "queued";
  return doc.stage === "finalizing" && doc.progress >= SAVING_FROM ? "saving" : "drawing";
}

/** What a slot says: a heading, more, how long, how far. @param {Shown} shown */
export function useWords(shown) {
  const before = useRef({});
  const { slot, doc } = shown;
  const state = stateOf(shown);
  const now = useNow(slot.phase === "limit" ? slot.until : 0);
  if (state === "limit") return limitWords(slot, now);
  if (state === "failed") return failureWords(shown);
  if (!doc) return { heading: state === "sending" ? t("stage.sending") : "", detail: "", time: "" };
  if (state === "queued") {
    const { pauseReason, queuePosition, estimatedTimeSeconds } = doc;
    const heading = queuePosition
      ? t("stage.waiting_at", { place: place(queuePosition) })
      : t("stage.waiting");
    return {
      heading,
      detail: pauseReason ?? "",
      time: pauseReason ? "" : eta(estimatedTimeSeconds, "ready", before.current),
    };
  }
  if (state === "saving") return { heading: t("stage.saving"), detail: "", time: "" };
  return { heading: headingOf(doc), detail: "", time: eta(doc.estimatedTimeSeconds, "left", before.current) };
}

/** @param {Generation} doc */
function headingOf(doc) {
  if (doc.stage === "processing") return t("stage.preparing");
  if (doc.stage === "finalizing") return t("stage.clearing");
  if (!doc.steps) return t("stage.drawing");
  return t("stage.drawing_at", { step: number(doc.steps.done), total: number(doc.steps.total) });
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
  if (code === "not_signed_in") return { heading: t("live.ended"), detail: "", time: "" };
  // The sentence of a picture that failed says it itself, where that is to the point.
  const detail = doc ? "" : t("stage.kept");
  return { heading: reasonOf(code, doc?.error ?? slot.problem?.detail), detail, time: "" };
}

/**
 * In this page's language where the code is known, since an event speaks that of the profile.
 * @param {string} code
 * @param {string | undefined} told
 */
function reasonOf(code, told) {
  if (has(`failure.${code}`)) return t(`failure.${code}`);
  if (code === "unreachable" || !code) return t("error.unreachable");
  return told || t("stage.failed");
}

// What a pause heals; of everything else that the server refuses, the wish is at fault.
const PASSING = new Set([
  ...["internal", "too_busy", "database_unavailable", "fal_unavailable", "storage_unavailable"],
  ...["idempotency_in_flight", "not_signed_in", "unreadable", "unreachable", ""],
]);

/** Whether asking again may help; else the prompt wants another look. @param {Shown} shown */
export function mayRetry({ slot, doc }) {
  return doc ? (doc.retryable ?? false) : PASSING.has(slot.problem?.code ?? "");
}

/** @param {string} state */
export const isMaking = (state) => state === "drawing" || state === "saving";

/** @param {string} state */
export const isBusy = (state) => ["sending", "loading", "queued"].includes(state) || isMaking(state);

/** Tells the live region. @param {string} state @param {Words} words */
export function useAnnouncement(state, words) {
  const said = useRef("");
  const line = state === "done" ? t("stage.done") : [words.heading, words.time].filter(Boolean).join(", ");
  useEffect(() => {
    if (line) announce(line, { isChange: said.current !== state });
    said.current = state;
  }, [state, words.time]);
}
