/** The way in: REST by name, live progress by `live()` and `watch()`. */
import { type Clock, realClock } from "./clock.js";
import type { Generation, GenerationWish } from "./contract.js";
import { Http, type HttpWish, type Token } from "./http.js";
import { LiveConnection, type LiveOptions, type SocketMaker } from "./live.js";
import type { Known } from "./memory.js";
import type { Answer, KeyedManner, Manner, OperationName, Wish } from "./operations.js";
import { watch } from "./watch.js";

export interface MadarOptions {
  /** Of the API; in a browser it may be relative to the page. */
  baseUrl: string | URL;
  /** The sign-in's `token`, or what fetches it; without one a browser's cookie says who asks. */
  token?: Token | undefined;
  /** `en` or `ar`; a language that was chosen in the profile comes before it. */
  language?: string | undefined;
  fetch?: typeof globalThis.fetch | undefined;
  /** Needed where there is none, as in Node 20. */
  WebSocket?: SocketMaker | undefined;
  clock?: Clock | undefined;
  /** From 0 to 1, for what must not happen everywhere at the same moment. */
  random?: (() => number) | undefined;
  /** Calls the listener whenever the machine is on the network again; returns what ends that. */
  online?: ((listener: () => void) => () => void) | undefined;
}

type Page = Omit<NonNullable<Wish<"GET /api/generations">["query"]>, "page" | "cursor">;

export class MadarClient {
  readonly #http: Http;
  readonly #options: MadarOptions & { baseUrl: URL; clock: Clock; random: () => number };

  constructor(options: MadarOptions) {
    const page = globalThis.location?.href;
    this.#options = {
      ...options,
      baseUrl: new URL(options.baseUrl, page),
      clock: options.clock ?? realClock,
      random: options.random ?? Math.random,
    };
    this.#http = new Http({
      baseUrl: this.#options.baseUrl,
      token: options.token,
      language: options.language,
      fetch: options.fetch ?? ((...wish) => globalThis.fetch(...wish)),
      clock: this.#options.clock,
      random: this.#options.random,
    });
  }

  /** Any operation by its name. Throws MadarProblem, MadarUnreachable, or the signal's reason. */
  request<N extends OperationName>(
    name: N,
    ...[wish]: object extends Wish<N> ? [wish?: Wish<N>] : [wish: Wish<N>]
  ): Promise<Answer<N>> {
    return this.#http.json(sent(name, wish ?? {})) as Promise<Answer<N>>;
  }

  // Signing in

  signInUrl(returnTo?: string, manner?: Manner) {
    return this.request("GET /api/auth/google/url", { query: { returnTo }, ...manner });
  }

  /** For a page that Google sent `code` and `state` to. */
  finishSignIn(body: { code: string; state: string }, manner?: Manner) {
    return this.request("POST /api/auth/google/callback", { body, ...manner });
  }

  me(manner?: Manner) {
    return this.request("GET /api/auth/user", { ...manner });
  }

  signOut(manner?: Manner) {
    return this.request("POST /api/auth/logout", { ...manner });
  }

  // Pictures

  /** With `picture`, that is uploaded as the source. */
  createGeneration(wish: GenerationWish & { picture?: Blob }, manner?: KeyedManner) {
    const { picture, ...body } = wish;
    const form = picture && formOf({ ...body, sourceImage: picture });
    return this.request("POST /api/generations", { body: form ?? body, ...keyed(manner) });
  }

  getGeneration(id: string, manner?: Manner) {
    return this.request("GET /api/generations/{id}", { path: { id }, ...manner });
  }

  /** All that fit, page after page; the next page is asked for when it is needed. */
  async *listGenerations(query: Page = {}, manner?: Manner): AsyncGenerator<Generation, void> {
    let cursor: string | undefined;
    do {
      const asked = { query: { ...query, cursor }, ...manner };
      const page = await this.request("GET /api/generations", asked);
      yield* page.generations;
      cursor = page.pagination.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  like(id: string, isLiked = true, manner?: Manner) {
    const wish = { path: { id }, body: { isLiked }, ...manner };
    return this.request("PATCH /api/generations/{id}", wish);
  }

  cancel(id: string, manner?: Manner) {
    return this.request("POST /api/generations/{id}/cancel", { path: { id }, ...manner });
  }

  /** Asks for a failed one again: a generation of its own. */
  retry(id: string, manner?: KeyedManner) {
    return this.request("POST /api/generations/{id}/retry", { path: { id }, ...keyed(manner) });
  }

  /** Into the trash where it is completed, for good where it is not or `permanent`. */
  delete(id: string, { permanent, ...manner }: Manner & { permanent?: boolean | undefined } = {}) {
    const wish = { path: { id }, query: { permanent }, ...manner };
    return this.request("DELETE /api/generations/{id}", wish);
  }

  restore(id: string, manner?: Manner) {
    return this.request("POST /api/generations/{id}/restore", { path: { id }, ...manner });
  }

  /** A link that saves the PNG under a speaking name. */
  download(id: string, manner?: Manner) {
    return this.request("GET /api/generations/{id}/download", { path: { id }, ...manner });
  }

  trash(query: { page?: number | undefined; limit?: number | undefined } = {}, manner?: Manner) {
    return this.request("GET /api/trash", { query, ...manner });
  }

  emptyTrash(manner?: Manner) {
    return this.request("DELETE /api/trash", { ...manner });
  }

  uploadImage(image: Blob, manner?: KeyedManner) {
    return this.request("POST /api/uploads/image", { body: formOf({ image }), ...keyed(manner) });
  }

  async styles(manner?: Manner) {
    return (await this.request("GET /api/styles", { ...manner })).styles;
  }

  // The person

  profile(manner?: Manner) {
    return this.request("GET /api/user/profile", { ...manner });
  }

  changeProfile(body: { displayName?: string; language?: "en" | "ar" }, manner?: Manner) {
    return this.request("PATCH /api/user/profile", { body, ...manner });
  }

  stats(manner?: Manner) {
    return this.request("GET /api/user/stats", { ...manner });
  }

  // Live

  /** One socket for any number of generations; it comes back by itself until it is closed. */
  live(options: LiveOptions = {}): LiveConnection {
    const { baseUrl, clock, random, online } = this.#options;
    const ticket = async (signal: AbortSignal) => {
      const issued = await this.request("POST /api/live/ticket", { signal, retries: 0 });
      return issued.ticket;
    };
    const WebSocket = this.#options.WebSocket ?? globalThis.WebSocket;
    if (!WebSocket) throw new Error("There is no WebSocket: give one to MadarClient, or use watch()");
    return new LiveConnection({ baseUrl, clock, random, online, ticket, WebSocket }, options);
  }

  /** One generation until it has ended, over plain HTTP, where sockets do not get through. */
  watch(id: string, { signal }: { signal?: AbortSignal | undefined } = {}): AsyncGenerator<Known, void> {
    return watch(id, { http: this.#http, ...this.#options }, signal);
  }
}

interface AnyWish extends KeyedManner {
  path?: Readonly<Record<string, unknown>> | undefined;
  query?: Readonly<Record<string, unknown>> | undefined;
  body?: unknown;
}

function sent(name: OperationName, wish: AnyWish): HttpWish {
  const { path: places = {}, idempotencyKey, ...rest } = wish;
  const [method = "", path = ""] = name.split(" ");
  const filled = path.replace(/{(\w+)}/g, (_, place) => encodeURIComponent(String(places[place])));
  const headers = { "Idempotency-Key": idempotencyKey ?? "" };
  return { method, path: filled, ...rest, ...(idempotencyKey !== undefined && { headers }) };
}

/** With a key, so that a post whose answer was lost may be sent again. */
function keyed(manner: KeyedManner = {}): KeyedManner {
  return { ...manner, idempotencyKey: manner.idempotencyKey ?? randomKey() };
}

/** As `crypto.randomUUID()`, which pages over plain http do not have. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function formOf(fields: Record<string, unknown>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Blob) form.set(name, value);
    else if (Array.isArray(value)) form.set(name, JSON.stringify(value));
    else if (value !== undefined && value !== null) form.set(name, String(value));
  }
  return form;
}
