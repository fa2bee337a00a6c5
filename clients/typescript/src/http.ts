/** One request and its answer, asked again where that can do no harm. */
import { Backoff } from "./backoff.js";
import { type Clock, pause, unlessAborted } from "./clock.js";
import { MadarProblem, MadarUnreachable, problemOf } from "./problem.js";

const ANSWER_WITHIN_MS = 30_000;
const UPLOAD_WITHIN_MS = 300_000;
const RETRIES = 3;
const PATIENCE_S = 30;

export type Token = string | (() => string | Promise<string>);

export interface HttpOptions {
  baseUrl: URL;
  token: Token | undefined;
  language: string | undefined;
  fetch: typeof globalThis.fetch;
  clock: Clock;
  random: () => number;
}

export interface HttpWish {
  method: string;
  path: string;
  query?: Readonly<Record<string, unknown>> | undefined;
  headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, unless it is a form. */
  body?: unknown;
  signal?: AbortSignal | undefined;
  retries?: number | undefined;
}

export class Http {
  constructor(readonly options: HttpOptions) {}

  /** The body of a good answer. Throws MadarProblem, MadarUnreachable, or the signal's reason. */
  json(wish: HttpWish): Promise<unknown> {
    return this.#persistently(wish, async (init) => {
      const response = await this.#fetch(wish, init);
      const text = await response.text();
      return text === "" ? undefined : JSON.parse(text);
    });
  }

  /** An answer whose body has only begun; nothing but the signal ends the reading of it. */
  open(wish: HttpWish & { signal: AbortSignal }): Promise<Response> {
    return this.#inTime(wish, (init) => this.#fetch(wish, init));
  }

  async #persistently<T>(wish: HttpWish, ask: (init: RequestInit) => Promise<T>): Promise<T> {
    const backoff = new Backoff(this.options.random);
    for (let left = wish.retries ?? RETRIES; ; left--) {
      try {
        return await this.#inTime(wish, ask);
      } catch (error) {
        const waitMs = left > 0 ? waitBeforeRetry(error, wish, backoff) : undefined;
        if (waitMs === undefined) throw error;
        await pause(this.options.clock, waitMs, wish.signal);
      }
    }
  }

  /** With a deadline, until `ask` is done; the caller's signal stays tied to what it opened. */
  async #inTime<T>(wish: HttpWish, ask: (init: RequestInit) => Promise<T>): Promise<T> {
    wish.signal?.throwIfAborted();
    let isAsking = false;
    const late = new AbortController();
    const withinMs = wish.body instanceof FormData ? UPLOAD_WITHIN_MS : ANSWER_WITHIN_MS;
    const callOff = this.options.clock.after(withinMs, () => late.abort());
    const signal = wish.signal ? AbortSignal.any([wish.signal, late.signal]) : late.signal;
    try {
      const init = this.#init(wish, await unlessAborted(this.#token(), signal));
      isAsking = true;
      return await ask({ ...init, signal });
    } catch (error) {
      const isNoAnswer = isAsking || late.signal.aborted;
      if (!isNoAnswer || error instanceof MadarProblem || wish.signal?.aborted) throw error;
      throw new MadarUnreachable(`no answer to ${wish.method} ${wish.path}`, { cause: error });
    } finally {
      callOff();
    }
  }

  async #fetch(wish: HttpWish, init: RequestInit): Promise<Response> {
    const { baseUrl, fetch } = this.options;
    const response = await fetch(urlOf(baseUrl, wish), init);
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  #init({ method, body, headers: own }: HttpWish, token: string | undefined): RequestInit {
    const headers = new Headers({ Accept: "application/json", ...own });
    const { language } = this.options;
    if (language !== undefined) headers.set("Accept-Language", language);
    if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
    // Without a token the session's cookie says who asks, also from another origin.
    const credentials = token === undefined ? "include" : "omit";
    const init: RequestInit = { method, headers, credentials };
    if (body === undefined || body instanceof FormData) return { ...init, body: body ?? null };
    headers.set("Content-Type", "application/json");
    return { ...init, body: JSON.stringify(body) };
  }

  async #token(): Promise<string | undefined> {
    const { token } = this.options;
    return typeof token === "function" ? token() : token;
  }
}

/**
 * Undefined: it must not be sent again. What Madar refused "for the moment" was not done; where it
 * did not answer itself, only a read or what carries its Idempotency-Key may be repeated.
 */
function waitBeforeRetry(error: unknown, wish: HttpWish, backoff: Backoff): number | undefined {
  const isRepeatable = wish.method === "GET" || wish.headers?.["Idempotency-Key"] !== undefined;
  if (error instanceof MadarUnreachable) return isRepeatable ? backoff.next() : undefined;
  if (!(error instanceof MadarProblem) || !error.retryable) return undefined;
  const wasNotDone = error.code !== "unreadable" && error.retryAfterS !== undefined;
  const { retryAfterS = 0 } = error;
  if (!(wasNotDone || isRepeatable) || retryAfterS > PATIENCE_S) return undefined;
  return retryAfterS * 1000 + backoff.next();
}

function urlOf(baseUrl: URL, wish: HttpWish): string {
  const url = new URL(baseUrl.pathname.replace(/\/+$/, "") + wish.path, baseUrl);
  for (const [name, value] of Object.entries(wish.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return url.href;
}
