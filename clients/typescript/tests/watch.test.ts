/** Server-sent events by fetch: reading them, and coming back where it broke off. */
import assert from "node:assert/strict";
import { test } from "node:test";

import type { Known } from "../src/index.js";
import { eventsIn } from "../src/stream.js";
import { FakeNetwork, foreign, generation, ID, joined, progress, refusal, settled } from "./fakes.js";

function streamOf(...pieces: (string | Uint8Array)[]) {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) {
        controller.enqueue(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
      }
      controller.close();
    },
  });
}

function events(...messages: { type: string; version: number }[]) {
  const written = messages.map(
    ({ type, ...told }) => `id: ${told.version}\nevent: ${type}\ndata: ${JSON.stringify({ type, ...told })}\n\n`,
  );
  return () => new Response(streamOf("retry: 1500\n\n", ...written, ": still here\n\n"));
}

const completed = {
  ...{ type: "generation:completed", generationId: ID, version: 6, status: "completed" },
  progress: 100,
};

async function watched(network: FakeNetwork, signal?: AbortSignal) {
  const heard: Known[] = [];
  const done = (async () => {
    for await (const known of network.client().watch(ID, { signal })) heard.push(known);
  })();
  done.catch(() => {});
  await settled();
  return { heard, done };
}

test("events come whole out of any pieces", async () => {
  const text = "\ufeffid: 1\r\nevent: a\r\ndata: سلام\r\ndata:zwei\r\n\r\n: no\r\rretry: 20\rdata\r\r";
  const bytes = new TextEncoder().encode(text);
  const pieces = Array.from(bytes, (_, n) => bytes.slice(n, n + 1));
  const read = [];
  const retries: number[] = [];

  const listening = { lives: () => {}, retry: (ms: number) => retries.push(ms) };
  for await (const event of eventsIn(streamOf(...pieces), listening)) read.push(event);

  assert.deepEqual(read, [
    { event: "a", data: "سلام\nzwei", id: "1" },
    { event: "message", data: "", id: "1" },
  ]);
  assert.deepEqual(retries, [20]);
});

test("it comes back with what it knows and ends with the generation", async () => {
  const network = new FakeNetwork();
  network.answers = [
    events(joined(generation(2)), progress(3), progress(3)),
    events(progress(5), completed),
  ];

  const { heard, done } = await watched(network);
  assert.deepEqual(heard.map(({ version }) => version), [2, 3]);
  await network.clock.turn(1_499);
  assert.equal(network.requests.length, 1, "as long as the server wishes");
  await network.clock.turn(1);
  await done;

  assert.deepEqual(heard.map(({ version }) => version), [2, 3, 5, 6]);
  const [first, second] = network.requests;
  assert.equal(first?.url, `https://api.madar.test/api/generations/${ID}/events`);
  assert.equal(first?.headers.get("Accept"), "text/event-stream");
  assert.equal(first?.headers.get("Last-Event-ID"), null);
  assert.equal(second?.headers.get("Last-Event-ID"), "3");
});

test("nothing more to tell is an end", async () => {
  const network = new FakeNetwork();
  network.answers = [events(progress(3)), () => new Response(null, { status: 204 })];

  const { heard, done } = await watched(network);
  await network.clock.turn(10_000);
  await done;

  assert.equal(heard.length, 1);
});

test("a stream that falls silent is left", async () => {
  const network = new FakeNetwork();
  const endless = ({ signal }: Request) => {
    const body = new ReadableStream({
      start: (controller) => signal.addEventListener("abort", () => controller.error(signal.reason)),
    });
    return new Response(body);
  };
  network.answers = [endless, events(completed)];

  const { heard, done } = await watched(network);
  await network.clock.turn(44_999);
  assert.equal(network.requests.length, 1);
  await network.clock.turn(1 + 500);
  await done;

  assert.equal(heard.length, 1);
});

test("what was deleted meanwhile is told, what never was is refused", async () => {
  const network = new FakeNetwork();
  network.answers = [events(progress(3)), () => refusal("not_found")];

  const { heard, done } = await watched(network);
  await network.clock.turn(10_000);
  await done;

  assert.deepEqual(heard.at(-1), { deleted: true, id: ID, version: 3 });
  await assert.rejects((await watched(network)).done, { code: "not_found" });
});

test("the end of the session is told", async () => {
  const network = new FakeNetwork();
  const lastWords = { type: "error", code: "not_signed_in", message: "…", version: 0 };
  network.answers = [events(progress(3), lastWords), () => refusal("not_signed_in")];

  const { done } = await watched(network);
  await network.clock.turn(10_000);

  await assert.rejects(done, { code: "not_signed_in" });
});

test("too many sockets are waited out, and so is what a proxy says in between", async () => {
  const network = new FakeNetwork();
  network.answers = [
    () => refusal("too_many_sockets", { retryAfterSeconds: 60 }),
    () => foreign(522),
    events(completed),
  ];

  const { done } = await watched(network);
  await network.clock.turn(60_499);
  assert.equal(network.requests.length, 1);
  await network.clock.turn(1 + 1_000);

  await done;
});

test("a token that once came may come again", async () => {
  const network = new FakeNetwork();
  network.answers = [events(progress(3)), events(completed)];
  const tokens = [async () => "t1", () => Promise.reject(new Error("no refresh token")), async () => "t2"];
  const client = network.client({ token: () => tokens.shift()?.() ?? assert.fail() });

  const versions: number[] = [];
  const done = (async () => {
    for await (const { version } of client.watch(ID)) versions.push(version);
  })();
  await network.clock.turn(10_000);
  await done;

  assert.deepEqual(versions, [3, 6]);
  const broken = network.client({ token: () => Promise.reject(new Error("signed out")) });
  await assert.rejects(broken.watch(ID).next(), /signed out/);
});

test("whoever leaves ends it", async () => {
  const network = new FakeNetwork();
  network.answers = [events(progress(3))];
  const page = new AbortController();

  const { done } = await watched(network, page.signal);
  page.abort(new Error("left the page"));

  await assert.rejects(done, /left the page/);
  await network.clock.turn(100_000);
  assert.equal(network.requests.length, 1);
});

test("whoever leaves and asks for nothing more leaves no timer behind", async () => {
  const network = new FakeNetwork();
  network.answers = [events(progress(3))];
  const page = new AbortController();
  const watching = network.client().watch(ID, { signal: page.signal });
  await watching.next();

  page.abort();

  assert.ok(network.clock.isIdle);
});
