/** A connection that outlives its sockets: whoever was away knows what somebody who stayed knows. */
import { Backoff } from "./backoff.js";
import type { Clock } from "./clock.js";
import type { FromClient, FromServer, Heard } from "./contract.js";
import { BROKEN, type Ending, Line, type SocketLike } from "./line.js";
import { hasEnded, type Known, Memory } from "./memory.js";
import { Pace } from "./pace.js";
import { MadarProblem } from "./problem.js";

const PROTOCOL = "madar.v1";
/** How many generations one socket may follow by id; the server closes it for more. */
export const MAX_FOLLOWED = 100;
const LONG_PAUSE_MS = 30_000;
const QUICK_MS = 1_000;
const ASK_AGAIN_MS = 2_000;

const NOT_SIGNED_IN = 4401;
const FORBIDDEN = 4403;
const TOO_MANY = 4429;
const RESTARTING = new Set([1012, 1013]);

/**
 * `connecting` and `waiting` pass by themselves; `signedOut` until `reconnect()` after a sign-in;
 * `closed` is for ever: by `close()`, or because this account may not.
 */
export type LiveState = "connecting" | "open" | "waiting" | "signedOut" | "closed";

export type Handler = (known: Known) => void;
export type SocketMaker = new (url: string, protocols: string[]) => SocketLike;

export interface LiveOptions {
  /** Told of every change of `state`; `ending` says why the last socket ended. */
  onState?: (state: LiveState, ending: Ending | undefined) => void;
}

export interface MineOptions {
  /** More changed while we were away than fits: what a list shows should be asked for again. */
  onGap?: () => void;
}

export interface LiveNeeds {
  baseUrl: URL;
  clock: Clock;
  random: () => number;
  online: ((listener: () => void) => () => void) | undefined;
  ticket: (signal: AbortSignal) => Promise<string>;
  WebSocket: SocketMaker;
}

/** What one socket has been asked for. */
class Told {
  ids = new Set<string>();
  mine = false;
  isMineAnswered = false;
}

export class LiveConnection {
  readonly #needs: LiveNeeds;
  readonly #options: LiveOptions;
  readonly #memory = new Memory();
  readonly #backoff: Backoff;
  readonly #followers = new Map<string, Set<Handler>>();
  readonly #mine = new Map<Handler, MineOptions>();
  /** To be asked for once, because the answer to `join:mine` may have left them out. */
  readonly #missed = new Set<string>();
  readonly #offline: () => void;

  #state: LiveState = "connecting";
  #ending: Ending | undefined;
  #attempt = new AbortController();
  #line: Line | undefined;
  #openedAt: number | undefined;
  #refusals = 0;
  #mayHurry = true;
  #callOff: () => void = () => {};
  #cursor: string | undefined;

  #told = new Told();
  #pace: Pace;
  #isPausing = false;

  constructor(needs: LiveNeeds, options: LiveOptions = {}) {
    this.#needs = needs;
    this.#options = options;
    this.#backoff = new Backoff(needs.random);
    this.#pace = new Pace(needs.clock);
    this.#offline = (needs.online ?? whenOnline)(() => this.#beOnline());
    void this.#connect();
  }

  get state(): LiveState {
    return this.#state;
  }

  /** Why the last socket ended. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  snapshot(id: string): Known | undefined {
    return this.#memory.get(id);
  }

  /** Tells what is known, then all that is newer; what it returns ends that. */
  follow(id: string, handler: Handler): () => void {
    const handlers = this.#followers.get(id) ?? new Set();
    if (handlers.size === 0 && this.#followers.size >= MAX_FOLLOWED) {
      throw new RangeError(`Only ${MAX_FOLLOWED} can be followed by id; followMine() has no limit`);
    }
    const own: Handler = (known) => handler(known);
    this.#followers.set(id, handlers.add(own));
    const known = this.#memory.get(id);
    // The server ends a join with the deletion; who asks again may have restored it.
    if (known?.deleted) this.#told.ids.delete(id);
    if (known) queueMicrotask(() => handlers.has(own) && own(known));
    this.#tell();
    return () => this.#unfollow(id, own);
  }

  /** The same of everything that is this person's, also of what is yet to be made. */
  followMine(handler: Handler, options: MineOptions = {}): () => void {
    const own: Handler = (known) => handler(known);
    this.#mine.set(own, options);
    const known = this.#memory.all();
    queueMicrotask(() => {
      for (const one of known) if (this.#mine.has(own)) own(one);
    });
    this.#tell();
    return () => {
      this.#mine.delete(own);
      if (this.#mine.size === 0) this.#cursor = undefined;
      this.#tell();
    };
  }

  /** At once, whatever it was waiting for: after a new sign-in, say. */
  reconnect(): void {
    if (this.#state !== "waiting" && this.#state !== "signedOut") return;
    this.#refusals = 0;
    void this.#connect();
  }

  close(): void {
    this.#finish("closed");
  }

  // The socket

  async #connect(): Promise<void> {
    this.#callOff();
    const attempt = new AbortController();
    this.#attempt = attempt;
    this.#openedAt = undefined;
    this.#mayHurry = true;
    this.#enter("connecting");
    try {
      const ticket = await this.#needs.ticket(attempt.signal);
      if (attempt.signal.aborted) return;
      const socket = new this.#needs.WebSocket(this.#address(), [PROTOCOL, `ticket.${ticket}`]);
      this.#line = new Line(socket, this.#needs.clock, {
        opened: () => this.#begin(),
        heard: (message) => this.#hear(message),
        ended: (ending) => this.#end(ending),
      });
    } catch (error) {
      if (!attempt.signal.aborted) this.#beRefused(error);
    }
  }

  #address(): string {
    const url = new URL(this.#needs.baseUrl);
    url.protocol = url.protocol.replace("http", "ws");
    url.pathname = url.pathname.replace(/\/+$/, "") + "/ws";
    return url.href;
  }

  #begin(): void {
    this.#told = new Told();
    this.#pace = new Pace(this.#needs.clock);
    this.#tell();
  }

  /** No ticket. */
  #beRefused(error: unknown): void {
    if (!(error instanceof MadarProblem)) return this.#end({ code: BROKEN, reason: String(error) });
    const ending = { code: BROKEN, reason: error.code };
    if (error.status === 401) return this.#end({ ...ending, code: NOT_SIGNED_IN });
    if (error.status === 403) return this.#end({ ...ending, code: FORBIDDEN });
    this.#ending = ending;
    this.#wait((error.retryAfterS ?? 0) * 1000 + this.#backoff.next());
  }

  #end(ending: Ending): void {
    const { clock, random } = this.#needs;
    const livedMs = this.#openedAt === undefined ? 0 : clock.now() - this.#openedAt;
    const wasOpen = this.#openedAt !== undefined;
    this.#line = undefined;
    this.#ending = ending;
    if (ending.code === FORBIDDEN) return this.#finish("closed");
    if (ending.code === NOT_SIGNED_IN) {
      // Once more with a ticket, and a token, of this moment: the old one may just have run out.
      this.#refusals += 1;
      return this.#refusals > 1 ? this.#finish("signedOut") : void this.#connect();
    }
    const backoffMs = this.#backoff.next(livedMs);
    if (ending.code === TOO_MANY) {
      this.#wait(LONG_PAUSE_MS * (1 + random()));
      this.#mayHurry = false;
    } else if (RESTARTING.has(ending.code) && wasOpen) {
      this.#wait(QUICK_MS * random());
    } else {
      this.#wait(backoffMs);
    }
  }

  #wait(ms: number): void {
    this.#callOff();
    this.#callOff = this.#needs.clock.after(ms, () => void this.#connect());
    this.#enter("waiting");
  }

  #beOnline(): void {
    if (this.#state === "waiting" && this.#mayHurry) void this.#connect();
    else this.#line?.probe();
  }

  #finish(state: "signedOut" | "closed"): void {
    this.#attempt.abort();
    this.#callOff();
    this.#line?.close();
    this.#line = undefined;
    if (state === "closed") this.#offline();
    this.#enter(state);
  }

  #enter(state: LiveState): void {
    if (this.#state === state) return;
    this.#state = state;
    run(() => this.#options.onState?.(state, this.#ending));
  }

  // What is heard

  #hear(message: FromServer): void {
    if (this.#openedAt === undefined) {
      this.#openedAt = this.#needs.clock.now();
      this.#refusals = 0;
      this.#enter("open");
    }
    for (const known of this.#memory.take(message)) this.#deliver(known);
    if (message.type === "joined") this.#beJoined(message);
    if (message.type === "error") this.#beDenied(message);
  }

  #beJoined(message: Heard<"joined">): void {
    if ("mine" in message) {
      // The first answer is a beginning: what it leaves out is older, not missed.
      const isGap = message.hasMore && this.#cursor !== undefined;
      this.#told.isMineAnswered = true;
      this.#cursor = message.cursor;
      if (isGap) this.#fillGap(message.generations.map(({ id }) => id));
    } else if (this.#missed.delete(message.generationId)) {
      this.#tell();
    }
  }

  /** All that this side takes for unfinished is asked for by name; the rest is the list's to show. */
  #fillGap(answered: string[]): void {
    const isAnswered = new Set(answered);
    for (const known of this.#memory.all()) {
      if (!hasEnded(known) && !isAnswered.has(known.id)) this.#missed.add(known.id);
    }
    for (const { onGap } of this.#mine.values()) if (onGap) run(onGap);
    this.#tell();
  }

  #beDenied({ code, generationId }: Heard<"error">): void {
    if (generationId !== undefined && code === "not_found") {
      this.#missed.delete(generationId);
      for (const known of this.#memory.takeDeleted(generationId)) this.#deliver(known);
    } else if (generationId !== undefined) {
      this.#askAgain((told) => told.ids.delete(generationId));
    } else if (this.#told.mine && !this.#told.isMineAnswered) {
      if (code === "cursor_invalid") this.#cursor = undefined;
      this.#askAgain((told) => (told.mine = false));
    }
  }

  #deliver(known: Known): void {
    for (const handler of this.#followers.get(known.id) ?? []) run(() => handler(known));
    for (const handler of this.#mine.keys()) run(() => handler(known));
  }

  // What is asked for

  #unfollow(id: string, handler: Handler): void {
    const handlers = this.#followers.get(id);
    if (!handlers?.delete(handler) || handlers.size > 0) return;
    this.#followers.delete(id);
    if (this.#mine.size === 0) this.#memory.forget(id);
    this.#tell();
  }

  /** Brings what the socket has been asked for to what is wanted, as fast as it may be said. */
  #tell(): void {
    const line = this.#line;
    if (!line?.isOpen || this.#isPausing) return;
    for (let next = this.#next(); next; next = this.#next()) {
      const waitMs = this.#pace.waitMs();
      if (waitMs > 0) {
        this.#isPausing = true;
        this.#needs.clock.after(waitMs, () => {
          this.#isPausing = false;
          this.#tell();
        });
        return;
      }
      line.send(next);
      this.#note(next);
    }
  }

  /** The first thing that is wanted otherwise than it was said. */
  #next(): FromClient | undefined {
    const wanted = this.#wantedIds();
    for (const id of this.#told.ids) {
      if (!wanted.has(id)) return { type: "leave:generation", generationId: id };
    }
    const wantsMine = this.#mine.size > 0;
    if (wantsMine && !this.#told.mine) {
      return { type: "join:mine", since: this.#cursor };
    }
    if (!wantsMine && this.#told.mine) return { type: "leave:mine" };
    for (const id of wanted) {
      if (!this.#told.ids.has(id)) return { type: "join:generation", generationId: id };
    }
    return undefined;
  }

  #wantedIds(): Set<string> {
    const wanted = new Set(this.#followers.keys());
    for (const id of this.#missed) {
      if (wanted.size >= MAX_FOLLOWED) break;
      wanted.add(id);
    }
    return wanted;
  }

  #note(said: FromClient): void {
    if (said.type === "join:generation") this.#told.ids.add(said.generationId);
    if (said.type === "leave:generation") this.#told.ids.delete(said.generationId);
    if (said.type === "join:mine") this.#told.mine = true;
    if (said.type === "join:mine" || said.type === "leave:mine") this.#told.isMineAnswered = false;
    if (said.type === "leave:mine") this.#told.mine = false;
  }

  /** A join failed for the moment: in a moment this socket counts as not asked. */
  #askAgain(forget: (told: Told) => void): void {
    const told = this.#told;
    this.#needs.clock.after(ASK_AGAIN_MS * (0.5 + this.#needs.random()), () => {
      forget(told);
      this.#tell();
    });
  }
}

/** What throws is its page's mistake, told there, and not the end of the others. */
function run(handler: () => void): void {
  try {
    handler();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Where a machine says so, as browsers do. */
function whenOnline(listener: () => void): () => void {
  globalThis.addEventListener?.("online", listener);
  return () => globalThis.removeEventListener?.("online", listener);
}
