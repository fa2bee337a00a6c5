/** Every operation of the API as a type: "GET /api/styles" and what it takes and answers. */
import type { paths } from "./contract.js";

type Verb = "get" | "post" | "patch" | "delete";
type Stream = { responses: { 200: { content: { "text/event-stream": unknown } } } };
type Takes<P extends keyof paths> = {
  [V in Verb]: paths[P][V] extends Stream ? never : paths[P][V] extends object ? V : never;
}[Verb];

/** Method and path, as the documentation at /docs has them. */
export type OperationName = { [P in keyof paths]: `${Uppercase<Takes<P>>} ${P}` }[keyof paths];

type Operation<N> = N extends `${infer M} ${infer P extends keyof paths}`
  ? paths[P][Lowercase<M> & Verb]
  : never;
type Parameters<O, Place extends string> = O extends { parameters: { [K in Place]?: infer T } }
  ? Exclude<T, undefined>
  : never;
type Content<O, Type extends string> = O extends {
  requestBody: { content: { [K in Type]: infer T } };
}
  ? T
  : never;

/** Absent where there is nothing to give, optional where nothing of it has to be. */
type Field<Name extends string, T> = [T] extends [never]
  ? { [K in Name]?: never }
  : object extends T
    ? { [K in Name]?: T | undefined }
    : { [K in Name]: T };
/** What may be left out may be undefined too. */
type Sparse<T> = { [K in keyof T]: object extends Pick<T, K> ? T[K] | undefined : T[K] };
type Body<O> = [Content<O, "multipart/form-data">] extends [never]
  ? Field<"body", Content<O, "application/json">>
  : { body: FormData | Content<O, "application/json"> };

export interface Manner {
  signal?: AbortSignal | undefined;
  /** How often it may be tried again; 3 unless told. */
  retries?: number | undefined;
}

export interface KeyedManner extends Manner {
  /** Made up where it is not given; the same key and body are answered alike for 24 hours. */
  idempotencyKey?: string | undefined;
}

export type Wish<N extends OperationName> = Field<"path", Parameters<Operation<N>, "path">> &
  Field<"query", Sparse<Parameters<Operation<N>, "query">>> &
  Body<Operation<N>> &
  KeyedManner;

type Good<O> = O extends { responses: infer R } ? R[keyof R & (200 | 201)] : never;

/** Without a body where the answer has none, as 202 and 204. */
export type Answer<N extends OperationName> =
  [Good<Operation<N>>] extends [never]
    ? void
    : Good<Operation<N>> extends { content: { "application/json": infer T } }
      ? T
      : void;
