/** Shapes that the studio's modules share. What the API answers has its types in docs/contract. */
import type { components } from "../../docs/contract/api.js";

type Schemas = components["schemas"];
export type Generation = Schemas["GenerationOut"];
export type Style = Schemas["StyleOut"];
export type User = Schemas["AuthUser"];
export type Problem = import("./api.js").Problem;
export type Language = "en" | "ar";
export type Entry = string | Record<string, string>;

/** A source picture: `preview` is a small copy of it that survives a reload. */
export interface Source {
  uploadId: string;
  name: string;
  preview: string;
}

/** What somebody asks for. */
export interface Wish {
  style: string;
  prompt: string;
  aspectRatio: string;
  colors: string[];
  source: Source | null;
}

/** One place on the stage. Its `key` is the Idempotency-Key, so sending again never doubles it. */
export interface Slot {
  key: string;
  id: string;
  wish: Wish;
  /** The failed picture that is asked for again. */
  retryOf: string;
  phase: "sending" | "sent" | "refused" | "limit";
  problem: { code: string; detail: string; requestId: string; limit: number } | null;
  until: number;
  at: number;
}

export interface Filters {
  search?: string;
  style?: string;
  liked?: string;
  sort?: string;
}

export interface Route {
  screen: "create" | "gallery" | "account";
  filters: Filters;
  picture: string;
}

export interface State {
  language: Language;
  texts: Record<string, Entry>;
  theme: "" | "light" | "dark";
  user: User | null;
  session: "unknown" | "none" | "open" | "ended" | "closed";
  styles: Style[];
  route: Route;
  live: "connecting" | "open" | "waiting" | "offline" | "updating";
  generations: Map<string, Generation>;
  slots: Slot[];
  draft: Wish | null;
  limitedUntil: number;
  /** Deleted a moment ago, by id: until when that can be undone. */
  deleted: Map<string, number>;
  panel: "" | "drawer" | "keys";
  refused: string;
}

/** One line of the API drawer. */
export interface Call {
  id: number;
  at: number;
  kind: "call" | "event";
  method: string;
  path: string;
  status: number;
  ms: number;
  body: unknown;
  form: Record<string, string> | null;
  headers: Record<string, string>;
  answer: unknown;
}
