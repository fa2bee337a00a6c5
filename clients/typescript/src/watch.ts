/** GET /api/generations/{id}/events, taken up again where it broke off, until the generation has ended. */
import { Backoff } from "./backoff.js";
import { type Clock, pause } from "./clock.js";
import type { FromServer } from "./contract.js";
import type { Http } from "./http.js";
import { hasEnded, type Known, Memory } from "./memory.js";
import { MadarProblem, MadarUnreachable } from "./problem.js";
import { eventsIn } from "./stream.js";

/** The server says something every 15 seconds. */
export const SILENCE_MS = 45_000;

export interface WatchNeeds {
  http: Http;
  clock: Clock;
  random: () => number;
}

/** Throws MadarProblem where asking again would not help, and the signal's reason. */
export async function* watch(
  id: string,
  { http, clock, random }: WatchNeeds,
  signal?: AbortSignal,
): AsyncGenerator<Known, void> {
  const memory = new Memory();
  const backoff = new Backoff(random);
  const stream = new Stream(id, http, clock, signal);
  for (;;) {
    let waitMs: number;
    const beganAt = clock.now();
    try {
      for await (const message of stream.read(memory.get(id)?.version)) {
        for (const known of memory.take(message)) {
          yield known;
          if (hasEnded(known)) return;
        }
      }
      if (stream.hasEnded) return;
      waitMs = backoff.next(clock.now() - beganAt);
    } catch (error) {
      const isKnown = memory.get(id) !== undefined;
      if (isKnown && error instanceof MadarProblem && error.status === 404) {
        yield* memory.takeDeleted(id);
        return;
      }
      if (signal?.aborted || !mayPass(error, isKnown)) throw error;
      const afterS = (error instanceof MadarProblem && error.retryAfterS) || 0;
      waitMs = afterS * 1000 + backoff.next(clock.now() - beganAt);
    }
    await pause(clock, Math.max(waitMs, stream.retryMs), signal);
  }
}

/** One answer after the other. */
class Stream {
  retryMs = 0;
  hasEnded = false;

  constructor(
    readonly id: string,
    readonly http: Http,
    readonly clock: Clock,
    readonly signal: AbortSignal | undefined,
  ) {}

  async *read(version: number | undefined): AsyncGenerator<FromServer, void> {
    const silence = new AbortController();
    const signal = this.signal ? AbortSignal.any([this.signal, silence.signal]) : silence.signal;
    const headers = { Accept: "text/event-stream", ...lastEvent(version) };
    const path = `/api/generations/${encodeURIComponent(this.id)}/events`;
    const response = await this.http.open({ method: "GET", path, headers, signal });
    if (!response.body || response.status === 204) {
      this.hasEnded = true;
      return;
    }
    let callOff = () => {};
    const lives = () => {
      callOff();
      callOff = this.clock.after(SILENCE_MS, () => silence.abort());
    };
    const retry = (ms: number) => {
      this.retryMs = ms;
    };
    const stop = () => callOff();
    // Whoever aborts may never ask for the next one, and with it for the end of this.
    signal.addEventListener("abort", stop, { once: true });
    lives();
    try {
      for await (const { data } of eventsIn(response.body, { lives, retry })) yield JSON.parse(data);
    } catch (error) {
      if (this.signal?.aborted) throw error;
      throw new MadarUnreachable("the stream broke off", { cause: error });
    } finally {
      stop();
      signal.removeEventListener("abort", stop);
    }
  }
}

function lastEvent(version: number | undefined): Record<string, string> {
  return version === undefined ? {} : { "Last-Event-ID": String(version) };
}

/** Too many sockets are no mistake of this request; a token that once came may come again. */
function mayPass(error: unknown, isKnown: boolean): boolean {
  if (error instanceof MadarProblem) return error.retryable || error.status === 429;
  return error instanceof MadarUnreachable || isKnown;
}
