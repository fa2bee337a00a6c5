/** What is thrown: a refusal with its code, or an answer that never came. */
import type { Fault, Problem, ProblemCode } from "./contract.js";

/** The server's refusal (RFC 9457): `code` for programs, `detail` for people in their language. */
export class MadarProblem extends Error {
  override readonly name = "MadarProblem";
  readonly status: number;
  /** `unreadable`: the answer was no problem document, so something else than Madar gave it. */
  readonly code: ProblemCode | "unreadable";
  readonly title: string;
  readonly detail: string;
  readonly errors: readonly Fault[];
  readonly params: Readonly<Record<string, unknown>>;
  /** The same request, sent again a little later, may succeed. */
  readonly retryable: boolean;
  readonly retryAfterS: number | undefined;
  readonly requestId: string | undefined;

  constructor(status: number, document: Partial<Problem>, headers = new Headers()) {
    const title = document.title ?? `HTTP ${status}`;
    super(document.detail ?? title);
    this.status = status;
    this.code = document.code ?? "unreadable";
    this.title = title;
    this.detail = document.detail ?? title;
    this.errors = document.errors ?? [];
    this.params = document.params ?? {};
    this.retryable = document.retryable ?? (status === 429 || status >= 500);
    this.retryAfterS = document.retryAfterSeconds ?? seconds(headers.get("Retry-After"));
    this.requestId = document.requestId ?? headers.get("X-Request-Id") ?? undefined;
  }
}

/** There was no answer, or not in time; `cause` says why. */
export class MadarUnreachable extends Error {
  override readonly name = "MadarUnreachable";
}

export async function problemOf(response: Response): Promise<MadarProblem> {
  const isProblem = response.headers.get("Content-Type")?.startsWith("application/problem+json");
  const document = isProblem ? await response.json().catch(() => null) : null;
  if (!isProblem) await response.body?.cancel();
  return new MadarProblem(response.status, document ?? {}, response.headers);
}

function seconds(text: string | null): number | undefined {
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}
