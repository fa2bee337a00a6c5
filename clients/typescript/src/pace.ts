/** Fewer messages than what the server closes a socket for (20 a second, 150 at once). */
import type { Clock } from "./clock.js";

const BURST = 120;
const PER_S = 15;

export class Pace {
  #left = BURST;
  #seenAt: number;

  constructor(readonly clock: Clock) {
    this.#seenAt = clock.now();
  }

  /** 0: go ahead, it is counted; else milliseconds until there is room. */
  waitMs(): number {
    const now = this.clock.now();
    this.#left = Math.min(BURST, this.#left + ((now - this.#seenAt) / 1000) * PER_S);
    this.#seenAt = now;
    if (this.#left < 1) return Math.ceil(((1 - this.#left) / PER_S) * 1000);
    this.#left -= 1;
    return 0;
  }
}
