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
    const replaces = "resync" in message && message.resync === true;
    if (!("mine" in message)) return this.#takeSnapshot(message.snapshot, replaces);
    return [
      ...message.generations.flatMap((snapshot) => this.#takeSnapshot(snapshot, replaces)),
      ...message.deleted.flatMap((id) => this.takeDeleted(id)),
    ];
  }

  #takeSnapshot(snapshot: Generation, replaces: boolean): Known[] {
    const known = this.get(snapshot.id);
    const isOld = known !== undefined && snapshot.version < known.version;
    const isFuller = snapshot.version === known?.version && !known.deleted && !("prompt" in known);
    const taken: Known = { ...snapshot, deleted: false };
    return (isOld && replaces) || isFuller ? this.#keep(taken) : this.#take(taken);
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
  const before: Partial<Generation> = known && !known.deleted ? known : {};
  const { stage, queuePosition, estimatedTimeSeconds, ...lasting } = before;
  return { ...lasting, ...inWordsOfSnapshots(event), deleted: false };
}

function inWordsOfSnapshots({ type, generationId: id, ...told }: Event): Sure & Partial<Generation> {
  if (!("estimatedTimeRemaining" in told)) return { id, ...told };
  const { estimatedTimeRemaining: estimatedTimeSeconds, ...rest } = told;
  return { id, ...rest, estimatedTimeSeconds };
}
