/** A clock turned by hand, and a network that does what a test says. */
import assert from "node:assert/strict";

import type { Clock } from "../src/clock.js";
import type { FromClient, Generation } from "../src/contract.js";
import { MadarClient, type MadarOptions, type SocketLike } from "../src/index.js";

export const ID = "0f8d3c1e-5b7a-4e0c-9d55-2f6b1f6f4a10";
export const OTHER = "11111111-5b7a-4e0c-9d55-2f6b1f6f4a10";

/** Whatever has been promised is done. */
export const settled = () => new Promise<void>((done) => setImmediate(done));

export class FakeClock implements Clock {
  #now = 0;
  #timers = new Set<{ at: number; run: () => void }>();

  now() {
    return this.#now;
  }

  get isIdle() {
    return this.#timers.size === 0;
  }

  after(ms: number, run: () => void) {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Runs what is due on the way, in its order. */
  async turn(ms: number) {
    const end = this.#now + ms;
    await settled();
    for (let next = this.#first(end); next; next = this.#first(end)) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settled();
    }
    this.#now = end;
  }

  #first(end: number) {
    const due = [...this.#timers].filter(({ at }) => at <= end);
    return due.sort((one, other) => one.at - other.at)[0];
  }
}

export class FakeSocket implements SocketLike {
  readonly sent: FromClient[] = [];
  isClosed = false;
  #listeners = new Map<string, (event: unknown) => void>();

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {}

  addEventListener(type: string, listener: (event: unknown) => void) {
    this.#listeners.set(type, listener);
  }

  send(text: string) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.isClosed = true;
  }

  open() {
    this.#listeners.get("open")?.({});
  }

  /** With what is not in the schema too: a reader bears it. */
  hear(message: object) {
    this.#listeners.get("message")?.({ data: JSON.stringify(message) });
  }

  /** The handshake, and the answer to the first ping. */
  welcome() {
    this.open();
    this.hear({ type: "pong" });
  }

  drop(code: number, reason = "") {
    this.#listeners.get("close")?.({ code, reason });
  }

  /** What was asked for, without pings. */
  get asked() {
    return this.sent.filter(({ type }) => type !== "ping");
  }
}

type Answering = (request: Request) => Response | Promise<Response>;

/** Answers requests in order, the last one for ever; tickets are t1, t2, … unless told otherwise. */
export class FakeNetwork {
  readonly clock = new FakeClock();
  readonly sockets: FakeSocket[] = [];
  readonly requests: Request[] = [];
  answers: Answering[] = [() => json({ ticket: `t${this.requests.length}` }, 201)];
  random = 1;
  goOnline = () => {};

  client(options: Partial<MadarOptions> = {}) {
    const { sockets } = this;
    return new MadarClient({
      baseUrl: "https://api.madar.test",
      token: "secret",
      clock: this.clock,
      random: () => this.random,
      fetch: (input, init) => this.#fetch(new Request(input, init)),
      online: (listener) => {
        this.goOnline = listener;
        return () => {};
      },
      WebSocket: class extends FakeSocket {
        constructor(url: string, protocols: string[]) {
          super(url, protocols);
          sockets.push(this);
        }
      },
      ...options,
    });
  }

  async #fetch(request: Request) {
    this.requests.push(request);
    const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
    if (!answer) throw new Error("nothing was asked for");
    return answer(request);
  }

  get socket(): FakeSocket {
    const last = this.sockets.at(-1);
    if (!last) throw new Error("there is no socket");
    return last;
  }
}

/** What a proxy, or a hotel's network, says in Madar's place. */
export function foreign(status: number, headers: Record<string, string> = {}) {
  return new Response("<h1>No</h1>", { status, headers: { "Content-Type": "text/html", ...headers } });
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}) {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/json", ...headers },
  });
}

/** Status and `retryable` of each code as the server has them; tests/test_typescript_client.py says. */
const CODES: Record<string, { status: number; retryable: boolean }> = JSON.parse(process.env.CODES ?? "{}");

export function refusal(code: string, told: object = {}) {
  const { status, retryable } = CODES[code] ?? assert.fail(`there is no ${code}`);
  const document = { status, code, title: "No", detail: "Not so.", retryable, ...told };
  return json(document, status, { "Content-Type": "application/problem+json" });
}

export function generation(version: number, told: Partial<Generation> = {}): Generation {
  return {
    id: ID,
    status: "processing",
    progress: 10,
    stage: "generating",
    version,
    prompt: "a red rocket",
    style: "voxel-3d",
    aspectRatio: "1:1",
    inputType: "text",
    customColors: [],
    seed: "7",
    isLiked: false,
    createdAt: "2026-01-31T12:00:00.5+00:00",
    ...told,
  };
}

export function joined(snapshot: Generation, told: object = {}) {
  return { type: "joined", generationId: snapshot.id, version: snapshot.version, snapshot, ...told };
}

export function joinedMine(generations: Generation[], told: object = {}) {
  const rest = { deleted: [], cursor: "1", hasMore: false };
  return { type: "joined", mine: true, generations, ...rest, ...told };
}

export function progress(version: number, told: object = {}) {
  const now = { status: "processing", progress: 40, stage: "finalizing" };
  return { type: "generation:progress", generationId: ID, version, ...now, ...told };
}
