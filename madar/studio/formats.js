/** Numbers, times and sizes as people say them, in the reader's language. */
import { locale, t } from "./i18n.js";

const UNITS = /** @type {const} */ ([
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
]);
const STEPS_S = [5, 10, 20, 30, 60, 180];

/** @param {number} value */
export const number = (value) => new Intl.NumberFormat(locale()).format(value);

/** @param {string} time */
export function age(time) {
  const seconds = (Date.parse(time) - Date.now()) / 1000;
  const words = new Intl.RelativeTimeFormat(locale(), { numeric: "auto" });
  for (const [unit, size] of UNITS) {
    if (-seconds >= size) return words.format(Math.ceil(seconds / size), unit);
  }
  return words.format(0, "second");
}

/** @param {string} time */
export const moment = (time) =>
  new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(time));

/** @param {string} time */
export const day = (time) => new Intl.DateTimeFormat(locale(), { dateStyle: "long" }).format(new Date(time));

/** @param {number} bytes */
export function size(bytes) {
  const [value, unit] = bytes < 1e6 ? [bytes / 1e3, "kilobyte"] : [bytes / 1e6, "megabyte"];
  return new Intl.NumberFormat(locale(), {
    style: "unit",
    unit,
    maximumFractionDigits: value < 10 ? 1 : 0,
  }).format(value);
}

/** @param {number} seconds */
function stepOf(seconds) {
  const n = STEPS_S.findIndex((step) => seconds <= step * 1.4);
  return n < 0 ? STEPS_S.length - 1 : n;
}

/**
 * A range, as people speak. It never goes up by more than one step without saying why.
 * @param {number | undefined} seconds
 * @param {"left" | "ready"} kind
 * @param {{ step?: number, isBusy?: boolean }} before what was said last, which this changes
 */
export function eta(seconds, kind, before) {
  if (seconds === undefined) return "";
  const step = stepOf(seconds);
  if (before.step !== undefined && step > before.step + 1) before.isBusy = true;
  if (before.step !== undefined && step <= before.step) before.isBusy = step === before.step && before.isBusy;
  before.step = step;
  const words = t(`eta.${kind}.${STEPS_S[step]}`);
  return before.isBusy ? `${words} · ${t("stage.busy")}` : words;
}

/** @param {number} n */
export const place = (n) => (n <= 10 ? t(`place.${Math.max(1, n)}`) : t("place.more", { n }));
