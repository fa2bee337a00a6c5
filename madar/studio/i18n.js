/** The reader's language: texts of the server's catalogues, plurals, digits, direction. */
import { store } from "./store.js";

/** @typedef {import("./types.js").Language} Language */

// Latin digits and the Gregorian calendar everywhere, so that server and pages agree.
const LOCALES = { en: "en", ar: "ar-u-nu-latn-ca-gregory" };
const PLACEHOLDER = /\{(\w+)\}/;
const COOKIE_LIFE_S = 365 * 24 * 3600;

export const locale = () => LOCALES[store.get().language];
export const otherLanguage = () => /** @type {Language} */ (store.get().language === "ar" ? "en" : "ar");

/**
 * The sentence, its values isolated from its own direction.
 * @param {string} key
 * @param {Record<string, string | number>} [params]
 */
export function t(key, params = {}) {
  return parts(key, params)
    .map((part) => (typeof part === "number" ? String(part) : part))
    .join("");
}

/**
 * The same in pieces, where a value is an element.
 * @param {string} key
 * @param {Record<string, any>} params
 * @returns {any[]}
 */
export function parts(key, params) {
  const pieces = sentence(key, params).split(PLACEHOLDER);
  return pieces.map((piece, n) => {
    if (n % 2 === 0) return piece;
    const value = params[piece] ?? "";
    return typeof value === "string" ? `\u2068${value}\u2069` : value;
  });
}

/** @param {string} key */
export const has = (key) => key in store.get().texts;

/**
 * @param {string} key
 * @param {Record<string, any>} params
 */
function sentence(key, params) {
  const entry = store.get().texts[key];
  if (entry === undefined) return key;
  if (typeof entry === "string") return entry;
  const form = new Intl.PluralRules(store.get().language).select(Number(params[entry.by ?? ""]));
  return entry[form] ?? entry.other ?? key;
}

/** @param {Language} language */
export async function load(language) {
  const answer = await fetch(new URL(`./texts/${language}.json`, import.meta.url), {
    credentials: "same-origin",
  });
  store.set({ language, texts: await answer.json() });
  const page = document.documentElement;
  page.lang = language;
  page.dir = language === "ar" ? "rtl" : "ltr";
  document.cookie = `madar-language=${language}; Path=/; Max-Age=${COOKIE_LIFE_S}; SameSite=Lax`;
}
