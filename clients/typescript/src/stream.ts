/** Server-sent events out of a stream of bytes (HTML Living Standard, 9.2.6). */

export interface StreamEvent {
  event: string;
  data: string;
  id: string | undefined;
}

export interface StreamListening {
  /** Something came, be it a comment. */
  lives(): void;
  /** How long the server wishes readers to wait before they come back. */
  retry(ms: number): void;
}

export async function* eventsIn(
  body: ReadableStream<Uint8Array>,
  listening: StreamListening,
): AsyncGenerator<StreamEvent, void> {
  let data: string[] = [];
  let event = "message";
  let id: string | undefined;
  for await (const line of linesIn(body, listening)) {
    const [field, value] = fieldOf(line);
    if (line === "") {
      if (data.length > 0) yield { event, data: data.join("\n"), id };
      data = [];
      event = "message";
    } else if (field === "data") data.push(value);
    else if (field === "event") event = value;
    else if (field === "id") id = value;
    else if (field === "retry" && /^\d+$/.test(value)) listening.retry(Number(value));
  }
}

async function* linesIn(
  body: ReadableStream<Uint8Array>,
  listening: StreamListening,
): AsyncGenerator<string, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      listening.lives();
      rest += decoder.decode(value, { stream: true });
      // A carriage return at the end may be half of a line's end.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      yield* lines;
    }
    if (rest.endsWith("\r")) yield rest.slice(0, -1);
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function fieldOf(line: string): [string, string] {
  const colon = line.indexOf(":");
  if (colon < 0) return [line, ""];
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
}
