export type { Clock } from "./clock.js";
export { MadarClient, type MadarOptions } from "./client.js";
export type {
  Fault,
  Generation,
  GenerationCreated,
  GenerationWish,
  Problem,
  ProblemCode,
  components,
  operations,
  paths,
} from "./contract.js";
export type { Token } from "./http.js";
export type { Ending, SocketLike } from "./line.js";
export {
  type Handler,
  LiveConnection,
  type LiveOptions,
  type LiveState,
  MAX_FOLLOWED,
  type MineOptions,
  type SocketMaker,
} from "./live.js";
export { hasEnded, type Known } from "./memory.js";
export type { Answer, KeyedManner, Manner, OperationName, Wish } from "./operations.js";
export { MadarProblem, MadarUnreachable } from "./problem.js";
