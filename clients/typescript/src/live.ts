/** A connection that outlives its sockets: whoever was away knows what somebody who stayed knows. */
import { Backoff } from "./backoff.js";
import type { Clock } from "./clock.js";
import type { FromServer, Heard } from "./contract.js";
import { BROKEN, type Ending, Line, type SocketLike } from "./line.js";
import { hasEnded, isWhole, type Known, Memory } from "./memory.js";
import { MadarProblem } from "./problem.js";
import { Told, type Wanted } from "./told.js";

const PROTOCOL = "madar.v1";
/** How many generations one socket may follow by id; the server closes it for more. */
export const MAX_FOLLOWED = 100;
const LONG_PAUSE_MS = 30_000;

const NOT_SIGNED_IN = 4401;
const FORBIDDEN = 4403;
const TOO_MANY = 4429;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * `connecting` and `waiting` pass by themselves; `signedOut` until `reconnect()` after a sign-in;
 * `closed` is for ever: by `close()`, or because this account may not.
 */
export type LiveState = "connecting" | "open" | "waiting" | "signedOut" | "closed";

export type Handler = (known: Known) => void;
export type SocketMaker = new (url: string, protocols: string[]) => SocketLike;

export interface LiveOptions {
  /** Told of every change of `state`; `ending` says why the last socket ended. */
  onState?: ((state: LiveState, ending: Ending | undefined) => void) | undefined;
}

export interface MineOptions {
  /** More changed while we were away than fits: what a list shows should be asked for again. */
  onGap?: (() => void) | undefined;
}

export interface LiveNeeds {
  baseUrl: URL;
  clock: Clock;
  random: () => number;
  online: ((listener: () => void) => () => void) | undefined;
  ticket: (signal: AbortSignal) => Promise<string>;
  WebSocket: SocketMaker;
}

/** Who is told. */
class Follower {
  /** The ids of what it was told of. */
  readonly heard = new Set<string>();
  isGone = false;

  constructor(
    readonly handler: Handler,
    readonly onGap?: (() => void) | undefined,
  ) {}
}

export class LiveConnection {
  readonly #needs: LiveNeeds;
  readonly #options: LiveOptions;
  readonly #memory = new Memory();
  readonly #backoff: Backoff;
  readonly #followers = new Map<string, Set<Follower>>();
  readonly #mine = new Set<Follower>();
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
  #told: Told | undefined;

  constructor(needs: LiveNeeds, options: LiveOptions = {}) {
    this.#needs = needs;
    this.#options = options;
    this.#backoff = new Backoff(needs.random);
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
    return this.#memory.get(id.toLowerCase());
  }

  /** Tells what is known, then all that is newer; what it returns ends that. */
  follow(given: string, handler: Handler): () => void {
    const id = given.toLowerCase();
    if (!ID.test(id)) throw new TypeError(`${given} is no id of a generation`);
    const followers = this.#followers.get(id) ?? new Set();
    if (followers.size === 0 && this.#followers.size >= MAX_FOLLOWED) {
      throw new RangeError(`Only ${MAX_FOLLOWED} can be followed by id; followMine() has no limit`);
    }
    const follower = new Follower(handler);
    this.#followers.set(id, followers.add(follower));
    const known = this.#memory.get(id);
    // Whoever asks again may have restored it.
    if (known?.deleted) this.#told?.revive(id);
    if (known && isWhole(known)) this.#catchUp(follower, [known]);
    this.#tell();
    return () => this.#unfollow(id, follower);
  }

  /** The same of everything that is this person's, also of what is yet to be made. */
  followMine(handler: Handler, options: MineOptions = {}): () => void {
    const follower = new Follower(handler, options.onGap);
    this.#mine.add(follower);
    this.#catchUp(follower, this.#memory.all());
    this.#tell();
    return () => {
      follower.isGone = true;
      this.#mine.delete(follower);
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
      const line = new Line(socket, this.#needs.clock, {
        opened: () => this.#tell(),
        heard: (message) => this.#hear(message),
        ended: (ending) => this.#end(ending),
      });
      this.#line = line;
      this.#told = new Told(line, { ...this.#needs, wanted: () => this.#wanted() });
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

  /** No ticket. */
  #beRefused(error: unknown): void {
    if (!(error instanceof MadarProblem)) return this.#end({ code: BROKEN, reason: String(error) });
    const ending = { code: BROKEN, reason: error.code };
    // A proxy or a hotel's network may say 401 and 403 too, of something else.
    const isMadars = error.code !== "unreadable";
    if (isMadars && error.status === 401) return this.#end({ ...ending, code: NOT_SIGNED_IN });
    if (isMadars && error.status === 403) return this.#end({ ...ending, code: FORBIDDEN });
    this.#ending = ending;
    this.#wait((error.retryAfterS ?? 0) * 1000 + this.#backoff.next());
    this.#mayHurry = error.retryAfterS === undefined;
  }

  #end(ending: Ending): void {
    const { clock, random } = this.#needs;
    const livedMs = this.#openedAt === undefined ? 0 : clock.now() - this.#openedAt;
    this.#drop();
    this.#ending = ending;
    if (ending.code === FORBIDDEN) return this.#finish("closed");
    // Once more with a ticket, and a token, of that moment: the old one may just have run out.
    if (ending.code === NOT_SIGNED_IN && ++this.#refusals > 1) return this.#signOut();
    const backoffMs = this.#backoff.next(livedMs);
    this.#wait(ending.code === TOO_MANY ? LONG_PAUSE_MS * (1 + random()) : backoffMs);
    this.#mayHurry = ending.code !== TOO_MANY;
  }

  /** The next to sign in may be somebody else. */
  #signOut(): void {
    this.#memory.forgetAll();
    this.#missed.clear();
    this.#cursor = undefined;
    this.#finish("signedOut");
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
    this.#drop();
    if (state === "closed") this.#offline();
    this.#enter(state);
  }

  #drop(): void {
    this.#line?.close();
    this.#told?.close();
    this.#line = this.#told = undefined;
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
    this.#tell();
  }

  #beJoined(message: Heard<"joined">): void {
    if (!("mine" in message)) {
      this.#missed.delete(message.generationId);
      return;
    }
    // The first answer is a beginning: what it leaves out is older, not missed.
    const isGap = message.hasMore && this.#cursor !== undefined;
    if (!message.resync) this.#told?.beAnsweredMine();
    this.#cursor = message.cursor;
    if (isGap) this.#fillGap(message.generations.map(({ id }) => id));
  }

  /** All that this side takes for unfinished is asked for by name; the rest is the list's to show. */
  #fillGap(answered: string[]): void {
    const isAnswered = new Set(answered);
    for (const known of this.#memory.all()) {
      if (!hasEnded(known) && !isAnswered.has(known.id)) this.#missed.add(known.id);
    }
    for (const follower of [...this.#mine]) this.#call(follower, () => follower.onGap?.());
  }

  #beDenied({ code, generationId }: Heard<"error">): void {
    if (generationId !== undefined && code === "not_found") {
      this.#missed.delete(generationId);
      this.#told?.end(generationId);
      for (const known of this.#memory.takeDeleted(generationId)) this.#deliver(known);
    } else if (generationId !== undefined) {
      this.#told?.beRefused(generationId);
    } else if (this.#told?.beRefusedMine() && code === "cursor_invalid") {
      this.#cursor = undefined;
    }
  }

  #deliver(known: Known): void {
    if (known.deleted) this.#told?.end(known.id);
    else this.#told?.revive(known.id);
    // Who follows it by its id is told the whole of it, which the answer to joining it brings.
    const followers = isWhole(known) ? (this.#followers.get(known.id) ?? []) : [];
    for (const follower of [...followers, ...this.#mine]) this.#inform(follower, known);
  }

  /** Once the caller has gone on; of what was told meanwhile that is known already. */
  #catchUp(follower: Follower, known: Known[]): void {
    queueMicrotask(() => {
      for (const one of known) if (!follower.heard.has(one.id)) this.#inform(follower, one);
    });
  }

  #inform(follower: Follower, known: Known): void {
    follower.heard.add(known.id);
    this.#call(follower, () => follower.handler(known));
  }

  #call(follower: Follower, handler: () => void): void {
    if (!follower.isGone && this.#state !== "closed") run(handler);
  }

  // What is asked for

  #unfollow(id: string, follower: Follower): void {
    follower.isGone = true;
    const followers = this.#followers.get(id);
    if (!followers?.delete(follower) || followers.size > 0) return;
    this.#followers.delete(id);
    // What the cursor counts as seen is told by nobody again.
    if (this.#mine.size === 0 && this.#cursor === undefined) this.#memory.forget(id);
    this.#tell();
  }

  #tell(): void {
    this.#told?.tell();
  }

  #wanted(): Wanted {
    const ids = new Set(this.#followers.keys());
    for (const id of this.#missed) {
      if (ids.size >= MAX_FOLLOWED) break;
      ids.add(id);
    }
    return { ids, mine: this.#mine.size > 0, since: this.#cursor };
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

/** Where a browser says so, and where a page comes back from being frozen: its timers stood still. */
function whenOnline(listener: () => void): () => void {
  const types = ["online", "pageshow", "visibilitychange"];
  for (const type of types) globalThis.addEventListener?.(type, listener);
  return () => {
    for (const type of types) globalThis.removeEventListener?.(type, listener);
  };
}
