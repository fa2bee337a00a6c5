/** One socket, from its handshake to its end; whoever is silent for too long is taken for dead. */
import type { Clock } from "./clock.js";
import type { FromClient, FromServer } from "./contract.js";

export const PING_AFTER_MS = 25_000;
export const ANSWER_WITHIN_MS = 10_000;
/** What a browser says of a connection that just broke (RFC 6455, 7.4.1). */
export const BROKEN = 1006;

/** What is used of a WebSocket: a browser's, Node's, or that of the package `ws`. */
export interface SocketLike {
  /** Each implementation has event classes of its own, so nothing is said of them here. */
  addEventListener(type: string, listener: (event: any) => void): void;
  send(text: string): void;
  close(): void;
}

export interface Ending {
  code: number;
  reason: string;
}

export interface Listening {
  opened(): void;
  heard(message: FromServer): void;
  ended(ending: Ending): void;
}

export class Line {
  #isOpen = false;
  #isOver = false;
  #isAsked = false;
  #callOff: () => void;

  constructor(
    readonly socket: SocketLike,
    readonly clock: Clock,
    readonly listening: Listening,
  ) {
    this.#callOff = clock.after(ANSWER_WITHIN_MS, () => this.#end(BROKEN, "too slow"));
    socket.addEventListener("open", () => this.#open());
    socket.addEventListener("message", ({ data }) => this.#hear(data));
    socket.addEventListener("close", ({ code, reason }) => this.#end(code, reason));
    // Said before each `close` that was not clean; unheard, it would end a Node process with `ws`.
    socket.addEventListener("error", () => {});
  }

  get isOpen(): boolean {
    return this.#isOpen && !this.#isOver;
  }

  send(message: FromClient): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Has it prove that it lives; asked again, it gets no more time for that. */
  probe(): void {
    if (!this.isOpen || this.#isAsked) return;
    this.#isAsked = true;
    this.send({ type: "ping" });
    this.#later(ANSWER_WITHIN_MS, () => this.#end(BROKEN, "silent"));
  }

  /** Without a word to the listener. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#callOff();
    this.socket.close();
  }

  #open(): void {
    if (this.#isOver) return;
    this.#isOpen = true;
    this.probe();
    this.listening.opened();
  }

  #hear(data: unknown): void {
    if (this.#isOver) return;
    this.#isAsked = false;
    this.#later(PING_AFTER_MS, () => this.probe());
    const message = read(data);
    if (message) this.listening.heard(message);
  }

  /** A dead network lets no `close` through, so nobody waits for it. */
  #end(code: number, reason: string): void {
    if (this.#isOver) return;
    this.close();
    this.listening.ended({ code, reason });
  }

  #later(ms: number, run: () => void): void {
    this.#callOff();
    this.#callOff = this.clock.after(ms, run);
  }
}

/** Undefined: nothing for us. */
function read(data: unknown): FromServer | undefined {
  try {
    const message: unknown = JSON.parse(String(data));
    return typeof message === "object" && message !== null ? (message as FromServer) : undefined;
  } catch {
    return undefined;
  }
}
