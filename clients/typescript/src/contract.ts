/** What goes over the wire, under the names that this package uses; written from the server's code. */
import type { components } from "./contract/api.js";
import type { FromClient, FromServer } from "./contract/events.js";

type Schemas = components["schemas"];

export type { components, operations, paths } from "./contract/api.js";
export type { FromClient, FromServer } from "./contract/events.js";

export type Generation = Schemas["GenerationOut"];
export type GenerationCreated = Schemas["GenerationCreated"];
export type GenerationWish = Schemas["GenerationIn"];
export type Problem = Schemas["Problem"];
export type ProblemCode = Problem["code"];
export type Fault = Schemas["FaultOut"];

/** A message by its `type`. */
export type Heard<T extends FromServer["type"]> = Extract<FromServer, { type: T }>;
export type Said<T extends FromClient["type"]> = Extract<FromClient, { type: T }>;
