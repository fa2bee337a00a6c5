/** Written by `make types`. */

/**
 * Every text frame of /ws is one JSON object with a `type`. A socket signs in by ticket (as the
 * subprotocol `ticket.…` beside `madar.v1`), by cookie (from an allowed `Origin`), by the header
 * `Authorization: Bearer …`, or with `auth` as its first message. The `version` of a generation only
 * grows: ignore what is not newer than what you have of it. A reader bears fields and types that it
 * does not know. Server-sent events carry the same objects, and Socket.IO the same fields, with the
 * type as the name of the event.
 */
export type MessagesOfMadarSLiveConnections = FromClient | FromServer;
export type FromClient = Auth | Join | JoinMine | Leave | LeaveMine | Ping;
export type FromServer =
  Authenticated | Pong | Joined | JoinedMine | ErrorMessage | Progress | Completed | Failed | Deleted;

/**
 * Signs in with the token of the sign-in's answer; where that is done already, harmless.
 */
export interface Auth {
  type: "auth";
  token: string;
}
/**
 * Asks for the generation as it is now, and for what happens to it from then on.
 */
export interface Join {
  type: "join:generation";
  generationId: string;
}
/**
 * Asks for all that is yours, and for what happens to it and to whatever is added from then on.
 *
 * Without `since`: what is not finished, and what changed last. With the `cursor` of an earlier
 * answer: what changed after it, however long you were away.
 */
export interface JoinMine {
  type: "join:mine";
  since?: string;
}
/**
 * Not answered.
 */
export interface Leave {
  type: "leave:generation";
  generationId: string;
}
/**
 * Not answered. What was joined by its id stays joined.
 */
export interface LeaveMine {
  type: "leave:mine";
}
export interface Ping {
  type: "ping";
}
/**
 * Answers an `auth` that was not the first message; the first one is not answered.
 */
export interface Authenticated {
  type: "authenticated";
}
export interface Pong {
  type: "pong";
}
/**
 * `snapshot` is what GET /api/generations/{id} answers.
 */
export interface Joined {
  type: "joined";
  generationId: string;
  version: number;
  snapshot: GenerationOut;
}
/**
 * `pauseReason`, in the reader's language: it waits because new work is paused for now.
 */
export interface GenerationOut {
  id: string;
  status: "queued" | "processing" | "completed" | "failed";
  progress: number;
  stage?: "queued" | "processing" | "generating" | "finalizing";
  steps?: StepsOut;
  queuePosition?: number;
  estimatedTimeSeconds?: number;
  pauseReason?: string;
  version: number;
  prompt: string;
  promptEnglish?: string;
  translation?: "pending" | "done" | "failed";
  style: string;
  aspectRatio: string;
  inputType: string;
  sourceUploadId?: string;
  sourceImageUrl?: string;
  customColors: string[];
  seed: string;
  isLiked: boolean;
  parentId?: string;
  result?: Result;
  error?: string;
  errorCode?: string;
  retryable?: boolean;
  createdAt: string;
  completedAt?: string;
}
/**
 * Of a drawing, as Fal tells of it.
 */
export interface StepsOut {
  done: number;
  total: number;
}
/**
 * Links work for 10 to 15 minutes; asking again gives new ones.
 */
export interface Result {
  imageUrl: string;
  thumbnailUrl: string;
  downloadUrl: string;
  masterUrl: string;
  dimensions: Dimensions;
  fileSize: number;
  transparency?: TransparencyOut;
}
export interface Dimensions {
  width: number;
  height: number;
}
/**
 * What was measured, each from 0 to 1; shares are of pixels (domain/transparency.py).
 */
export interface TransparencyOut {
  cornerAlpha: number;
  coverage: number;
  opaqueShare: number;
  softShare: number;
  frameShare: number;
  hazeShare: number;
}
/**
 * Answers `join:mine`; the newest change comes first.
 *
 * With `hasMore` that is not all: read the rest from GET /api/generations. With `resync` nobody
 * asked: you read so slowly that some events were left out, and this is what they were about.
 */
export interface JoinedMine {
  type: "joined";
  mine: true;
  generations: GenerationOut[];
  deleted: string[];
  cursor: string;
  hasMore: boolean;
  resync?: true;
}
/**
 * A message that was refused, and what it would have joined is not joined.
 *
 * `generationId` where it named a generation.
 */
export interface ErrorMessage {
  type: "error";
  code:
    | "not_json"
    | "body_not_object"
    | "form_unreadable"
    | "message_unknown"
    | "content_type_missing"
    | "wrong_content_type"
    | "body_too_large"
    | "upload_too_large"
    | "field_missing"
    | "field_unknown"
    | "field_repeated"
    | "parameter_unknown"
    | "parameter_repeated"
    | "not_text"
    | "not_number"
    | "not_truth"
    | "not_list"
    | "not_id"
    | "not_file"
    | "wrong_type"
    | "text_unreadable"
    | "prompt_empty"
    | "prompt_too_long"
    | "prompt_unreadable"
    | "style_unknown"
    | "input_type_unknown"
    | "aspect_ratio_unknown"
    | "too_many_colors"
    | "color_not_hex"
    | "source_missing"
    | "source_unexpected"
    | "source_unknown"
    | "seed_out_of_range"
    | "page_out_of_range"
    | "limit_out_of_range"
    | "sort_unknown"
    | "status_unknown"
    | "liked_unreadable"
    | "search_too_long"
    | "search_unreadable"
    | "time_unreadable"
    | "from_after_to"
    | "cursor_invalid"
    | "idempotency_key_invalid"
    | "idempotency_mismatch"
    | "upload_unreadable"
    | "upload_too_many_pixels"
    | "not_signed_in"
    | "sign_in_expired"
    | "sign_in_refused"
    | "email_not_verified"
    | "webhook_refused"
    | "account_disabled"
    | "origin_refused"
    | "not_found"
    | "method_not_allowed"
    | "range_not_satisfiable"
    | "idempotency_in_flight"
    | "rate_limited"
    | "account_closed"
    | "too_many_messages"
    | "too_many_sockets"
    | "too_many_joined"
    | "too_many_unsigned_sockets"
    | "quota_exceeded"
    | "name_empty"
    | "name_too_long"
    | "name_unreadable"
    | "language_unknown"
    | "source_repeated"
    | "upload_quota_exceeded"
    | "sign_in_again"
    | "address_too_long"
    | "headers_too_large"
    | "encoding_unknown"
    | "body_too_slow"
    | "return_to_invalid"
    | "upload_animated"
    | "generation_ended"
    | "generation_not_failed"
    | "generation_not_retryable"
    | "internal"
    | "too_busy"
    | "database_unavailable"
    | "fal_unavailable"
    | "google_unavailable"
    | "storage_unavailable";
  message: string;
  generationId?: string;
}
export interface Progress {
  type: "generation:progress";
  generationId: string;
  version: number;
  status: "queued" | "processing";
  progress: number;
  stage: "queued" | "processing" | "generating" | "finalizing";
  steps?: StepsOut;
  queuePosition?: number;
  pauseReason?: string;
  estimatedTimeRemaining?: number;
}
export interface Completed {
  type: "generation:completed";
  generationId: string;
  version: number;
  status: "completed";
  progress: 100;
  result: Result;
}
/**
 * `error` is a sentence in the reader's language, `errorCode` the permanent word for it.
 */
export interface Failed {
  type: "generation:failed";
  generationId: string;
  version: number;
  status: "failed";
  progress: number;
  error: string;
  errorCode:
    | "internal"
    | "content_policy"
    | "invalid_request"
    | "provider_unavailable"
    | "submit_unresolved"
    | "timeout"
    | "result_expired"
    | "result_invalid"
    | "cancelled"
    | "transparency_failed";
}
/**
 * It lies in the trash or is gone for good, and is not joined any more.
 *
 * If it is restored, `join:mine` hears of it again, in a newer version.
 */
export interface Deleted {
  type: "generation:deleted";
  generationId: string;
  version: number;
}
