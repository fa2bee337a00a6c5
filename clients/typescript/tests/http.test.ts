/** REST: what is asked again and what is not, errors, keys, pages. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { MadarProblem, MadarUnreachable } from "../src/index.js";
import { FakeNetwork, foreign, generation, ID, json, refusal, settled } from "./fakes.js";

const lost = () => {
  throw new TypeError("fetch failed");
};
const created = () => json({ id: ID, status: "queued", progress: 0, jobId: ID }, 201);
const WISH = { style: "voxel-3d", textPrompt: "صاروخ أحمر" };

test("a post whose answer was lost is sent again under the same key", async () => {
  const network = new FakeNetwork();
  network.answers = [
    lost,
    () => refusal("idempotency_in_flight", { retryAfterSeconds: 1 }),
    created,
  ];

  const made = network.client().createGeneration(WISH);
  await network.clock.turn(5_000);

  assert.equal((await made).id, ID);
  const keys = network.requests.map(({ headers }) => headers.get("Idempotency-Key"));
  assert.equal(keys.length, 3);
  assert.ok(keys[0] && keys.every((key) => key === keys[0]));
  assert.deepEqual(await network.requests[2]?.json(), WISH);

  network.client().createGeneration(WISH);
  await settled();
  assert.notEqual(network.requests[3]?.headers.get("Idempotency-Key"), keys[0]);
});

test("a change without a key is not sent again where nobody knows whether it was done", async () => {
  const network = new FakeNetwork();
  network.answers = [lost];

  await assert.rejects(network.client().cancel(ID), (error) => {
    assert.ok(error instanceof MadarUnreachable && error.cause instanceof TypeError);
    return true;
  });

  assert.equal(network.requests.length, 1);
});

test("a refusal for the moment is waited out, with a jitter on top", async () => {
  const network = new FakeNetwork();
  network.answers = [
    () => refusal("rate_limited", { retryAfterSeconds: 7 }),
    () => json(generation(2)),
  ];

  const cancelled = network.client().cancel(ID);
  await network.clock.turn(7_499);
  assert.equal(network.requests.length, 1);
  await network.clock.turn(1);

  assert.equal((await cancelled).version, 2);
});

test("a proxy does not know whether a change was done, so that is not sent again", async () => {
  const network = new FakeNetwork();
  network.answers = [() => foreign(504, { "Retry-After": "1" }), () => json(generation(2))];
  const client = network.client();

  await assert.rejects(client.cancel(ID), { status: 504, code: "unreadable" });
  assert.equal(network.requests.length, 1);

  network.answers.unshift(() => foreign(524));
  const read = client.getGeneration(ID);
  await network.clock.turn(500);
  assert.equal((await read).version, 2);
});

test("what lasts longer than patience is told at once", async () => {
  const network = new FakeNetwork();
  const told = { retryAfterSeconds: 31 };
  network.answers = [() => refusal("rate_limited", told)];

  await assert.rejects(network.client().stats(), { code: "rate_limited", retryAfterS: 31 });

  assert.equal(network.requests.length, 1);
});

test("after three more attempts it gives up", async () => {
  const network = new FakeNetwork();
  network.answers = [lost];

  const asked = assert.rejects(network.client().me(), MadarUnreachable);
  await network.clock.turn(500 + 1_000 + 2_000);

  await asked;
  assert.equal(network.requests.length, 4);
});

test("no answer within half a minute is none", async () => {
  const network = new FakeNetwork();
  network.answers = [
    ({ signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  ];

  const asked = assert.rejects(network.client().me({ retries: 0 }), MadarUnreachable);
  await network.clock.turn(30_000);

  await asked;
});

test("a token that never comes is waited for no longer than an answer", async () => {
  const network = new FakeNetwork();
  const client = network.client({ token: () => new Promise<string>(() => {}) });
  const page = new AbortController();

  const late = assert.rejects(client.me({ retries: 0 }), MadarUnreachable);
  const left = assert.rejects(client.me({ signal: page.signal }), /left the page/);
  await network.clock.turn(29_999);
  page.abort(new Error("left the page"));
  await left;
  await network.clock.turn(1);

  await late;
});

test("whoever gives up is told by their own reason", async () => {
  const network = new FakeNetwork();
  network.answers = [lost];
  const page = new AbortController();

  const asked = assert.rejects(network.client().me({ signal: page.signal }), /left the page/);
  await settled();
  page.abort(new Error("left the page"));

  await asked;
  assert.equal(network.requests.length, 1);
});

test("a refusal is whole, also when it is not Madar's", async () => {
  const network = new FakeNetwork();
  const fault = { pointer: "/style", code: "style_unknown", detail: "No such style." };
  const told = { errors: [fault], params: { limit: 3 }, requestId: "r1" };
  network.answers = [
    () => refusal("style_unknown", told),
    () => foreign(502, { "Retry-After": "99" }),
  ];
  const client = network.client();

  const ours = await client.createGeneration(WISH).catch((error) => error);
  assert.ok(ours instanceof MadarProblem);
  assert.deepEqual(
    [ours.status, ours.code, ours.title, ours.detail, ours.message, ours.requestId],
    [422, "style_unknown", "No", "Not so.", "Not so.", "r1"],
  );
  assert.deepEqual([ours.errors, ours.params, ours.retryable], [[fault], { limit: 3 }, false]);

  const theirs = await client.createGeneration(WISH).catch((error) => error);
  assert.ok(theirs instanceof MadarProblem);
  assert.deepEqual([theirs.code, theirs.retryable, theirs.retryAfterS], ["unreadable", true, 99]);
});

test("a refusal that says nothing is one all the same", async () => {
  const network = new FakeNetwork();
  const headers = { "Content-Type": "application/problem+json" };
  network.answers = [() => new Response("null", { status: 409, headers })];

  await assert.rejects(network.client().cancel(ID), { name: "MadarProblem", code: "unreadable" });
});

test("a page over plain http has keys too", async (t) => {
  const network = new FakeNetwork();
  network.answers = [created];
  t.mock.method(Crypto.prototype, "randomUUID", () => assert.fail("it is not there"));

  await network.client().createGeneration(WISH);

  assert.match(network.requests[0]?.headers.get("Idempotency-Key") ?? "", /^[0-9a-f]{32}$/);
});

test("a token may be fetched, and its failure is told as it is", async () => {
  const network = new FakeNetwork();
  network.answers = [() => json({})];
  let count = 0;
  const client = network.client({ token: async () => `t${++count}`, language: "ar" });

  await client.me();
  await client.me();

  const sent = network.requests.map(({ headers }) => headers.get("Authorization"));
  assert.deepEqual(sent, ["Bearer t1", "Bearer t2"]);
  assert.equal(network.requests[0]?.headers.get("Accept-Language"), "ar");
  const broken = network.client({ token: () => Promise.reject(new Error("no refresh token")) });
  await assert.rejects(broken.me(), /no refresh token/);
});

test("without a token a browser's cookie goes along, with one it does not", async () => {
  const network = new FakeNetwork();
  network.answers = [() => json({})];

  await network.client({ token: undefined }).me();
  await network.client().me();

  assert.deepEqual(network.requests.map(({ credentials }) => credentials), ["include", "omit"]);
});

test("pages are asked for as they are needed", async () => {
  const network = new FakeNetwork();
  const page = (id: string, nextCursor: string | null) => () =>
    json({ generations: [generation(1, { id })], pagination: { limit: 1, nextCursor } });
  network.answers = [page("a", "c1"), page("b", null)];

  const seen: string[] = [];
  for await (const { id } of network.client().listGenerations({ limit: 1, liked: true })) {
    assert.equal(network.requests.length, seen.push(id));
  }

  assert.deepEqual(seen, ["a", "b"]);
  assert.deepEqual(
    network.requests.map(({ url }) => new URL(url).search),
    ["?limit=1&liked=true", "?limit=1&liked=true&cursor=c1"],
  );
});

test("any operation can be asked for by its name", async () => {
  const network = new FakeNetwork();
  network.answers = [() => new Response(null, { status: 204 })];
  const client = network.client({ baseUrl: "https://madar.test/behind/" });

  const answer: void = await client.request("DELETE /api/auth/sessions/{id}", { path: { id: "a/b" } });

  assert.equal(answer, undefined);
  const [{ method, url } = assert.fail()] = network.requests;
  assert.equal(`${method} ${url}`, "DELETE https://madar.test/behind/api/auth/sessions/a%2Fb");
  network.answers = [() => new Response(null, { status: 202 })];
  assert.equal(await client.request("DELETE /api/user"), undefined);
  // @ts-expect-error: there is no such operation
  await client.request("GET /api/nothing");
  // @ts-expect-error: which one?
  await client.request("GET /api/generations/{id}");
});
