/** How long to wait before the next attempt: full jitter, so that thousands do not come back at once. */

export const BASE_MS = 500;
export const CAP_MS = 30_000;
export const STEADY_MS = 60_000;

export class Backoff {
  #failures = 0;

  constructor(readonly random: () => number) {}

  /** `livedMs`: how long the last attempt went well; after a steady minute it counts from one again. */
  next(livedMs = 0): number {
    if (livedMs >= STEADY_MS) this.#failures = 0;
    return this.random() * Math.min(CAP_MS, BASE_MS * 2 ** this.#failures++);
  }
}
