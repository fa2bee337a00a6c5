/** What is known of each generation: only what is newer gets in, whichever way it came. */
import type { FromServer, Generation, Heard } from "./contract.js";

type Sure = Pick<Generation, "id" | "version" | "status" | "progress">;

/**
 * A generation as far as it is known. After `follow` or `watch` that is everything a
 * `getGeneration` answers; `followMine` may hear of one made elsewhere by its progress first.
 */
export type Known =
  | (Sure & Partial<Generation> & { deleted: false })
  | { deleted: true; id: string; version: number };

/** More than what events tell. */
export function isWhole(known: Known): boolean {
  return known.deleted || "prompt" in known;
}

export function hasEnded(known: Known): boolean {
  return known.deleted || known.status === "completed" || known.status === "failed";
}

export class Memory {
  readonly #known = new Map<string, Known>();

  get(id: string): Known | undefined {
    return this.#known.get(id);
  }

  all(): Known[] {
    return [...this.#known.values()];
  }

  forget(id: string): void {
    this.#known.delete(id);
  }

  forgetAll(): void {
    this.#known.clear();
  }

  /** What of it is news. */
  take(message: FromServer): Known[] {
    switch (message.type) {
      case "joined":
        return this.#takeJoined(message);
      case "generation:progress":
      case "generation:completed":
      case "generation:failed":
        return this.#take(withEvent(this.get(message.generationId), message));
      case "generation:deleted":
        return this.#take({ deleted: true, id: message.generationId, version: message.version });
      default:
        return [];
    }
  }

  /** It is not there, or not any more, as of what is known. */
  takeDeleted(id: string): Known[] {
    const known = this.get(id);
    if (known?.deleted) return [];
    return this.#keep({ deleted: true, id, version: known?.version ?? 0 });
  }

  #takeJoined(message: Heard<"joined">): Known[] {
    if (!("mine" in message)) return this.#takeSnapshot(message.snapshot);
    return [
      ...message.generations.flatMap((snapshot) => this.#takeSnapshot(snapshot)),
      ...message.deleted.flatMap((id) => this.takeDeleted(id)),
    ];
  }

  /** Of the same version too it may tell more: likes, and all that no event carries, fresh links. */
  #takeSnapshot(snapshot: Generation): Known[] {
    const known = this.get(snapshot.id);
    const taken: Known = { ...snapshot, deleted: false };
    if (known && !isWhole(known) && snapshot.version < known.version) {
      return this.#keep({ ...lasting(taken), ...known });
    }
    if (known?.version !== snapshot.version || known.deleted) return this.#take(taken);
    return JSON.stringify(known) === JSON.stringify(taken) ? [] : this.#keep(taken);
  }

  #take(news: Known): Known[] {
    const known = this.get(news.id);
    return known && news.version <= known.version ? [] : this.#keep(news);
  }

  #keep(news: Known): Known[] {
    this.#known.set(news.id, news);
    return [news];
  }
}

type Event = Heard<"generation:progress" | "generation:completed" | "generation:failed">;

/** What an event does not tell of, such as the prompt, stays as it was. */
function withEvent(known: Known | undefined, event: Event): Known {
  const before = known && !known.deleted ? lasting(known) : {};
  return { ...before, ...inWordsOfSnapshots(event), deleted: false };
}

function lasting(known: Partial<Generation>): Partial<Generation> {
  const { stage, steps, queuePosition, pauseReason, estimatedTimeSeconds, ...rest } = known;
  return rest;
}

function inWordsOfSnapshots({ type, generationId: id, ...told }: Event): Sure & Partial<Generation> {
  if (!("estimatedTimeRemaining" in told)) return { id, ...told };
  const { estimatedTimeRemaining: estimatedTimeSeconds, ...rest } = told;
  return { id, ...rest, estimatedTimeSeconds };
}
