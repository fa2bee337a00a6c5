/** What one socket has been asked for, brought to what is wanted as fast as it may be said. */
import type { Clock } from "./clock.js";
import type { FromClient } from "./contract.js";
import type { Line } from "./line.js";
import { Pace } from "./pace.js";

const ASK_AGAIN_MS = 2_000;

export interface Wanted {
  ids: ReadonlySet<string>;
  mine: boolean;
  since: string | undefined;
}

export interface ToldNeeds {
  clock: Clock;
  random: () => number;
  wanted: () => Wanted;
}

export class Told {
  readonly #ids = new Set<string>();
  /** Those of them that were deleted: the server has ended what was joined. */
  readonly #ended = new Set<string>();
  readonly #callOffs = new Set<() => void>();
  readonly #pace: Pace;
  #mine = false;
  #mineUnanswered = 0;
  #isPausing = false;

  constructor(
    readonly line: Line,
    readonly needs: ToldNeeds,
  ) {
    this.#pace = new Pace(needs.clock);
  }

  /** Says whatever is wanted otherwise than it was said. */
  tell(): void {
    if (!this.line.isOpen || this.#isPausing) return;
    for (let next = this.#next(); next; next = this.#next()) {
      const waitMs = this.#pace.waitMs();
      if (waitMs > 0) {
        this.#isPausing = true;
        return this.#tellLater(waitMs, () => (this.#isPausing = false));
      }
      this.line.send(next);
      this.#note(next);
    }
  }

  /** It is joined no more, but wanted still: whoever restores it brings it back. */
  end(id: string): void {
    this.#ended.add(id);
  }

  /** It is there, or may be: so it is joined again where it had ended. */
  revive(id: string): void {
    if (this.#ended.delete(id)) this.#ids.delete(id);
  }

  /** For the moment. */
  beRefused(id: string): void {
    this.#askAgain(() => this.#ids.delete(id));
  }

  beAnsweredMine(): void {
    this.#mineUnanswered -= 1;
  }

  /** False: it was no answer to `join:mine`, or not to the last one. */
  beRefusedMine(): boolean {
    if (this.#mineUnanswered === 0 || --this.#mineUnanswered > 0) return false;
    this.#askAgain(() => (this.#mine = false));
    return true;
  }

  close(): void {
    for (const callOff of this.#callOffs) callOff();
  }

  #next(): FromClient | undefined {
    const { ids, mine, since } = this.needs.wanted();
    for (const id of this.#ids) {
      if (!ids.has(id)) return { type: "leave:generation", generationId: id };
    }
    if (mine && !this.#mine) return { type: "join:mine", ...(since !== undefined && { since }) };
    if (!mine && this.#mine) return { type: "leave:mine" };
    for (const id of ids) {
      if (!this.#ids.has(id)) return { type: "join:generation", generationId: id };
    }
    return undefined;
  }

  #note(said: FromClient): void {
    if (said.type === "join:generation") {
      this.#ids.add(said.generationId);
      this.#ended.delete(said.generationId);
    }
    if (said.type === "leave:generation") this.#ids.delete(said.generationId);
    if (said.type === "join:mine") this.#mineUnanswered += 1;
    if (said.type === "join:mine") this.#mine = true;
    if (said.type === "leave:mine") this.#mine = false;
  }

  #askAgain(forget: () => void): void {
    this.#tellLater(ASK_AGAIN_MS * (0.5 + this.needs.random()), forget);
  }

  #tellLater(ms: number, first: () => void): void {
    const callOff = this.needs.clock.after(ms, () => {
      this.#callOffs.delete(callOff);
      first();
      this.tell();
    });
    this.#callOffs.add(callOff);
  }
}
