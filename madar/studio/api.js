/** The public API, and nothing else of the server: one function, honest errors, noted calls. */
import { masked, note } from "./calls.js";
import { store } from "./store.js";

const PATIENCE_MS = 30_000;

/** An answer that refuses, or none at all (`code` is then `unreachable`). */
export class Problem extends Error {
  /**
   * @param {string} code
   * @param {Partial<{ status: number, detail: string, requestId: string, retryAfterS: number,
   *   limit: number, faults: { pointer: string, code: string, detail: string }[] }>} [told]
   */
  constructor(code, told = {}) {
    super(told.detail ?? code);
    this.code = code;
    this.status = told.status ?? 0;
    this.detail = told.detail ?? "";
    this.requestId = told.requestId ?? "";
    this.retryAfterS = told.retryAfterS ?? 0;
    this.limit = told.limit ?? 0;
    this.faults = told.faults ?? [];
  }
}

/**
 * @param {string} method
 * @param {string} path with its query
 * @param {{ body?: unknown, form?: Record<string, string | Blob>, key?: string,
 *   signal?: AbortSignal }} [wish] `key` is an Idempotency-Key
 * @returns {Promise<any>} the JSON of the answer, or null
 */
export async function call(method, path, wish = {}) {
  const headers = headersOf(wish);
  const began = performance.now();
  let answer, content;
  try {
    answer = await fetch(path, {
      method,
      headers,
      credentials: "same-origin",
      body: wish.form ? formOf(wish.form) : wish.body === undefined ? undefined : JSON.stringify(wish.body),
      signal: signalOf(wish),
    });
    content = answer.status === 204 || answer.status === 202 ? null : await answer.json().catch(() => null);
  } catch (error) {
    if (wish.signal?.aborted) throw error;
    throw new Problem("unreachable");
  } finally {
    note({
      method,
      path,
      status: answer?.status ?? 0,
      ms: Math.round(performance.now() - began),
      headers: masked(headers),
      body: masked(wish.body ?? null),
      form: wish.form ? shownForm(wish.form) : null,
      answer: masked(content ?? null),
    });
  }
  if (!answer.ok) throw problemOf(answer, content);
  return content;
}

/**
 * A file takes as long as its way is slow; everything else is given up at some time.
 * @param {{ form?: unknown, signal?: AbortSignal }} wish
 */
function signalOf({ form, signal }) {
  const ends = form ? [] : [AbortSignal.timeout(PATIENCE_MS)];
  return AbortSignal.any(signal ? [...ends, signal] : ends);
}

/** @param {{ body?: unknown, form?: unknown, key?: string }} wish */
function headersOf(wish) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json", "Accept-Language": store.get().language };
  if (wish.body !== undefined) headers["Content-Type"] = "application/json";
  if (wish.key) headers["Idempotency-Key"] = wish.key;
  return headers;
}

/** @param {Record<string, string | Blob>} fields */
function formOf(fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}

/** @param {Record<string, string | Blob>} fields */
function shownForm(fields) {
  const shown = Object.entries(fields).map(([name, value]) => [
    name,
    value instanceof File ? `@${value.name}` : String(value),
  ]);
  return Object.fromEntries(shown);
}

/**
 * @param {Response} answer
 * @param {any} content
 */
function problemOf(answer, content) {
  const problem = new Problem(content?.code ?? "unreadable", {
    status: answer.status,
    detail: content?.detail ?? content?.title ?? "",
    requestId: answer.headers.get("X-Request-Id") ?? "",
    retryAfterS: Number(answer.headers.get("Retry-After") ?? 0),
    limit: limitOf(content?.params?.policy, answer.headers.get("RateLimit-Policy") ?? ""),
    faults: content?.errors ?? [],
  });
  if (answer.status === 401 && store.get().session === "open") store.set({ session: "ended" });
  return problem;
}

/**
 * How many pictures a minute one may ask for, where that is the limit that was reached.
 * @param {string | undefined} policy
 * @param {string} header such as `"api";q=100;w=900, "generations";q=5;w=60`
 */
function limitOf(policy, header) {
  const found = /"generations";q=(\d+);w=60/.exec(header);
  return policy === "generations" && found ? Number(found[1]) : 0;
}

/** A random id also where the page is not served over https. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
