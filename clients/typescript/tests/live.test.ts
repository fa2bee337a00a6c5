/** LiveConnection, with a clock turned by hand and a network that does what it is told. */
import assert from "node:assert/strict";
import { test } from "node:test";

import type { Known, LiveState } from "../src/index.js";
import { realClock } from "../src/clock.js";
import {
  FakeNetwork,
  foreign,
  generation,
  ID,
  joined,
  joinedMine,
  OTHER,
  progress,
  refusal,
  settled,
} from "./fakes.js";

/** Signed in, with an open socket. */
async function opened(network = new FakeNetwork()) {
  const states: LiveState[] = [];
  const live = network.client().live({ onState: (state) => states.push(state) });
  await settled();
  network.socket.welcome();
  return { network, live, states, heard: [] as Known[] };
}

/** How long it waits before the next socket. */
async function waited(network: FakeNetwork) {
  const before = network.sockets.length;
  const beganAt = network.clock.now();
  while (network.sockets.length === before) {
    assert.ok(network.clock.now() - beganAt < 120_000, "it does not come back");
    await network.clock.turn(100);
  }
  return network.clock.now() - beganAt;
}

test("each socket has a ticket of its own", async () => {
  const { network, states } = await opened();

  network.socket.drop(1006);
  await waited(network);

  assert.deepEqual(
    network.sockets.map(({ protocols }) => protocols),
    [["madar.v1", "ticket.t1"], ["madar.v1", "ticket.t2"]],
  );
  assert.equal(network.socket.url, "wss://api.madar.test/ws");
  assert.equal(network.requests[0]?.headers.get("Authorization"), "Bearer secret");
  assert.deepEqual(states, ["open", "waiting", "connecting"]);
});

test("what is not newer is not told", async () => {
  const { network, live, heard } = await opened();
  live.follow(ID, (known) => heard.push(known));

  network.socket.hear(joined(generation(2)));
  network.socket.hear(progress(4, { progress: 40, estimatedTimeRemaining: 9 }));
  network.socket.hear(progress(3, { progress: 30 }));
  network.socket.hear(joined(generation(3, { progress: 35 })));

  assert.deepEqual(heard.map(({ version }) => version), [2, 4]);
  const known = heard[1];
  assert.ok(known && !known.deleted);
  assert.equal(known.prompt, "a red rocket", "an event adds to the snapshot");
  assert.equal(known.estimatedTimeSeconds, 9);
  assert.deepEqual(live.snapshot(ID), known);
});

test("an end takes along what was true before it only", async () => {
  const { network, live } = await opened();
  live.follow(ID, () => {});

  network.socket.hear(joined(generation(2, { queuePosition: 3, estimatedTimeSeconds: 5 })));
  const end = { status: "failed", progress: 10, error: "No.", errorCode: "timeout" };
  network.socket.hear({ type: "generation:failed", generationId: ID, version: 3, ...end });

  const { stage: _, ...lasting } = generation(3, { ...end, status: "failed" });
  assert.deepEqual(live.snapshot(ID), { ...lasting, deleted: false });
});

test("a snapshot of the same version tells what no event does, like a like", async () => {
  const { network, live, heard } = await opened();
  live.follow(ID, (known) => heard.push(known));
  const end = { status: "completed", progress: 100 } as const;
  const whole = generation(3, { ...end, isLiked: true, completedAt: "2026-01-31T12:00:09+00:00" });

  network.socket.hear(joined(generation(2)));
  network.socket.hear({ type: "generation:completed", generationId: ID, version: 3, ...end });
  network.socket.hear(joined(whole));
  network.socket.hear(joined(whole));
  network.socket.hear(joinedMine([generation(2)], { resync: true }));

  assert.deepEqual(heard.map(({ version }) => version), [2, 3, 3]);
  const now = live.snapshot(ID);
  assert.ok(now && !now.deleted && now.isLiked && now.completedAt);
});

test("whoever comes later hears first what is known", async () => {
  const { network, live, heard } = await opened();
  live.follow(ID, () => {});
  network.socket.hear(joined(generation(2)));

  live.follow(ID, (known) => heard.push(known));
  live.followMine((known) => heard.push(known));
  live.follow(ID, () => assert.fail("it has left"))();
  await settled();

  assert.deepEqual(heard.map(({ version }) => version), [2, 2]);
  assert.deepEqual(network.socket.asked.map(({ type }) => type), ["join:generation", "join:mine"]);
});

test("whoever comes in the middle of a message hears it once", async () => {
  const { network, live, heard } = await opened();
  const versions: number[] = [];
  let end = () => {};
  end = live.followMine(() => {
    end();
    live.follow(OTHER, (known) => heard.push(known));
    live.followMine(({ version }) => versions.push(version));
  });

  network.socket.hear(joinedMine([generation(1), generation(2, { id: OTHER })]));
  await settled();

  assert.deepEqual(heard.map(({ id }) => id), [OTHER]);
  assert.deepEqual(versions.sort(), [1, 2]);
});

test("whoever follows an id is told the whole of it and nothing less", async () => {
  const { network, live, heard } = await opened();
  live.follow(ID, () => {})();
  network.socket.hear(progress(3));
  live.follow(ID.toUpperCase(), (known) => heard.push(known));
  await settled();
  assert.deepEqual(heard, [], "what was on its way tells too little");

  network.socket.hear(joined(generation(2)));

  const { stage: _, ...lasting } = generation(3);
  const now = { status: "processing", progress: 40, stage: "finalizing" };
  assert.deepEqual(heard, [{ ...lasting, ...now, deleted: false }]);
  assert.deepEqual(live.snapshot(ID.toUpperCase()), heard[0]);
  assert.throws(() => live.follow("undefined", () => {}), /undefined is no id/);
});

test("what is deleted while nobody follows mine is told to who does so again", async () => {
  const { network, live, heard } = await opened();
  const end = live.followMine(() => {});
  network.socket.hear(joinedMine([generation(2), generation(2, { id: OTHER })], { cursor: "41" }));

  end();
  live.follow(OTHER, () => {})();
  live.followMine((known) => heard.push(known));
  await settled();
  network.socket.hear(joinedMine([], { deleted: [ID] }));

  assert.deepEqual(network.socket.asked.at(-1), { type: "join:mine", since: "41" });
  assert.deepEqual(heard.map(({ id, deleted }) => [id, deleted]), [
    [ID, false],
    [OTHER, false],
    [ID, true],
  ]);
});

test("after a cut everything is joined again, mine from where it was", async () => {
  const { network, live, heard } = await opened();
  live.follow(ID, () => {});
  live.followMine((known) => heard.push(known));
  network.socket.hear(joinedMine([generation(2)], { cursor: "41" }));
  live.follow(OTHER, () => {})();

  network.socket.drop(1006);
  network.socket.hear(progress(7));
  await waited(network);
  network.socket.welcome();
  network.socket.hear(joinedMine([generation(5, { status: "completed" })], { deleted: [OTHER] }));

  assert.deepEqual(network.socket.asked, [
    { type: "join:mine", since: "41" },
    { type: "join:generation", generationId: ID },
  ]);
  assert.deepEqual(heard, [
    { ...generation(2), deleted: false },
    { ...generation(5, { status: "completed" }), deleted: false },
    { deleted: true, id: OTHER, version: 0 },
  ]);
});

test("pauses grow with full jitter up to half a minute", async () => {
  const network = new FakeNetwork();
  network.client().live();
  await settled();

  const pauses: number[] = [];
  for (const random of [1, 1, 1, 1, 1, 1, 1, 1, 0.5, 0]) {
    network.random = random;
    network.socket.drop(1006);
    pauses.push(await waited(network));
  }

  assert.deepEqual(pauses, [
    ...[500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000],
    ...[15_000, 100],
  ]);
});

test("after a steady minute they begin anew, after less they do not", async () => {
  const { network } = await opened();
  const pauses: number[] = [];

  for (const livedMs of [20_000, 20_000, 60_000]) {
    for (let ms = 0; ms < livedMs; ms += 10_000) {
      await network.clock.turn(10_000);
      network.socket.hear({ type: "pong" });
    }
    network.socket.drop(1006);
    pauses.push(await waited(network));
    network.socket.welcome();
  }

  assert.deepEqual(pauses, [500, 1_000, 500]);
});

test("a machine that is online again does not wait", async () => {
  const { network, states } = await opened();
  network.socket.drop(1006);
  assert.equal(states.at(-1), "waiting");

  network.goOnline();
  await settled();

  assert.equal(network.sockets.length, 2);
  network.socket.welcome();
  await network.clock.turn(5_000);
  assert.equal(network.sockets.length, 2, "the pause is called off");
});

test("silence is asked about, and without an answer taken for death", async () => {
  const { network, states } = await opened();

  await network.clock.turn(24_999);
  assert.equal(network.socket.sent.length, 1, "the ping of the beginning");
  await network.clock.turn(1);
  assert.deepEqual(network.socket.sent.at(-1), { type: "ping" });
  network.socket.hear({ type: "pong" });
  await network.clock.turn(25_000 + 9_999);
  assert.equal(states.at(-1), "open");
  await network.clock.turn(1);

  assert.equal(states.at(-1), "waiting");
  assert.ok(network.socket.isClosed);
});

test("who is asked again and again gets no more time to answer", async () => {
  const { network, states } = await opened();

  for (let s = 0; s < 10; s++) {
    network.goOnline();
    await network.clock.turn(1_000);
  }

  assert.equal(states.at(-1), "waiting");
});

test("a handshake that never ends is given up", async () => {
  const network = new FakeNetwork();
  const live = network.client().live();

  await network.clock.turn(9_999);
  assert.equal(live.state, "connecting");
  await network.clock.turn(1);

  assert.equal(live.state, "waiting");
});

test("4401 is one attempt with a fresh ticket, then signed out, until there is a sign-in", async () => {
  const { network, live } = await opened();

  network.socket.drop(4401, "not_signed_in");
  await network.clock.turn(500);
  assert.equal(network.sockets.length, 2);
  network.socket.open();
  network.socket.drop(4401, "not_signed_in");
  await network.clock.turn(100_000);

  assert.equal(live.state, "signedOut");
  assert.deepEqual(live.ending, { code: 4401, reason: "not_signed_in" });
  assert.equal(network.sockets.length, 2);

  live.reconnect();
  await settled();
  network.socket.welcome();
  assert.equal(live.state, "open");
});

test("what was one person's is not told to the next", async () => {
  const { network, live, heard } = await opened();
  live.followMine(() => {});
  network.socket.hear(joinedMine([generation(2)], { cursor: "41" }));
  network.socket.drop(4401);
  await network.clock.turn(500);
  network.socket.drop(4401);
  assert.equal(live.state, "signedOut");

  live.reconnect();
  live.followMine((known) => heard.push(known));
  await settled();
  network.socket.welcome();

  assert.deepEqual(network.socket.asked, [{ type: "join:mine" }]);
  assert.deepEqual([heard, live.snapshot(ID)], [[], undefined]);
});

test("a session that always ends again is tried less and less", async () => {
  const { network } = await opened();

  const pauses: number[] = [];
  for (let times = 0; times < 3; times++) {
    network.socket.drop(4401);
    pauses.push(await waited(network));
    network.socket.welcome();
  }

  assert.deepEqual(pauses, [500, 1_000, 2_000]);
});

test("a fresh token heals a 4401", async () => {
  const network = new FakeNetwork();
  let token = 0;
  const live = network.client({ token: async () => `token-${++token}` }).live();
  await settled();
  network.socket.welcome();

  for (let times = 0; times < 3; times++) {
    network.socket.drop(4401);
    await waited(network);
    network.socket.welcome();
  }

  assert.equal(live.state, "open");
  assert.equal(network.requests.at(-1)?.headers.get("Authorization"), "Bearer token-4");
});

test("no ticket for want of a session means the same", async () => {
  const network = new FakeNetwork();
  network.answers = [() => refusal("not_signed_in")];
  const live = network.client().live();
  await network.clock.turn(500);

  assert.equal(live.state, "signedOut");
  assert.equal(network.requests.length, 2);
  assert.equal(live.ending?.reason, "not_signed_in");
});

test("a ticket that somebody else refuses is asked for again", async () => {
  for (const status of [401, 403]) {
    const network = new FakeNetwork();
    network.answers = [() => foreign(status), () => foreign(status), ...network.answers];
    const live = network.client().live();

    await waited(network);
    network.socket.welcome();

    assert.equal(live.state, "open");
  }
});

test("a page that is not allowed gets no ticket ever", async () => {
  const network = new FakeNetwork();
  network.answers = [() => refusal("origin_refused")];
  const live = network.client().live();
  await settled();

  assert.equal(live.state, "closed");
  assert.equal(live.ending?.reason, "origin_refused");
});

test("a closed account ends it for good", async () => {
  const { network, live } = await opened();

  network.socket.drop(4403, "account_closed");
  live.reconnect();
  network.goOnline();
  await network.clock.turn(100_000);

  assert.equal(live.state, "closed");
  assert.equal(network.sockets.length, 1);
});

test("who was too loud stays away for long, online or not", async () => {
  const { network } = await opened();
  network.random = 0.5;

  network.socket.drop(4429, "too_many_sockets");
  network.goOnline();

  assert.equal(await waited(network), 45_000);
});

test("where tickets are refused for the moment, it waits as long as it is told, online or not", async () => {
  const network = new FakeNetwork();
  network.answers = [
    () => refusal("database_unavailable", { retryAfterSeconds: 2 }),
    ...network.answers,
  ];
  network.client().live();
  await settled();
  network.goOnline();

  assert.equal(await waited(network), 2_500);
});

test("a wait of months is no wait of nothing", () => {
  realClock.after(2 ** 31, () => assert.fail("it did not wait"))();
  realClock.after(2 ** 40, () => assert.fail("it did not wait"))();
});

test("it says no more than the server bears, and forgets what was taken back", async () => {
  const { network, live } = await opened();
  const ids = (tens: number) => Array.from({ length: 100 }, (_, n) => ID.slice(0, -4) + (tens + n));

  const leave = ids(1000).map((id) => live.follow(id, () => {}));
  assert.throws(() => live.follow(OTHER, () => {}), RangeError);
  leave.forEach((one) => one());
  ids(2000).forEach((id) => live.follow(id, () => {}));
  assert.equal(network.socket.sent.length, 121);
  await network.clock.turn(1_000);
  assert.equal(network.socket.sent.length, 136);

  await network.clock.turn(20_000);
  const asked = network.socket.asked;
  assert.equal(asked.length, 300);
  assert.deepEqual(asked.at(-1), { type: "join:generation", generationId: ids(2099)[0] });
});

test("where more was missed than fits, what is unfinished here is asked for by name", async () => {
  const { network, live, heard } = await opened();
  let gaps = 0;
  live.followMine((known) => heard.push(known), { onGap: () => gaps++ });
  const ended = generation(3, { id: OTHER, status: "failed" });
  network.socket.hear(joinedMine([generation(2), ended], { hasMore: true }));
  assert.equal(gaps, 0, "what a first answer leaves out was not missed");

  network.socket.drop(1012);
  await waited(network);
  network.socket.welcome();
  network.socket.hear(joinedMine([], { hasMore: true }));
  network.socket.hear(joined(generation(8, { status: "completed" })));

  assert.equal(gaps, 1);
  assert.deepEqual(network.socket.asked.slice(1), [
    { type: "join:generation", generationId: ID },
    { type: "leave:generation", generationId: ID },
  ]);
  assert.equal(heard.at(-1)?.version, 8);
});

test("of many that were missed, those that are gone make room for the others", async () => {
  const { network, live } = await opened();
  live.followMine(() => {});
  const ids = Array.from({ length: 150 }, (_, n) => ID.slice(0, -4) + (1000 + n));
  network.socket.hear(joinedMine(ids.map((id) => generation(1, { id }))));
  network.socket.drop(1006);
  await waited(network);
  network.socket.welcome();
  network.socket.hear(joinedMine([], { hasMore: true }));
  const gone = { type: "error", code: "not_found", message: "…" };
  for (const generationId of ids.slice(0, 100)) network.socket.hear({ ...gone, generationId });
  await network.clock.turn(20_000);

  const asked = network.socket.asked.filter(({ type }) => type === "join:generation");
  assert.equal(asked.length, 150);
});

test("of two joins of mine the last decides", async () => {
  const { network, live } = await opened();
  live.followMine(() => {})();
  live.followMine(() => {});
  network.socket.hear(joinedMine([]));
  network.socket.hear({ type: "error", code: "database_unavailable", message: "…" });
  await network.clock.turn(3_000);

  const asked = network.socket.asked.filter(({ type }) => type === "join:mine");
  assert.equal(asked.length, 3);
});

test("a join that failed for the moment is made again, one of nothing is not", async () => {
  const { network, live, heard } = await opened();
  live.follow(ID, (known) => heard.push(known));
  live.follow(OTHER, (known) => heard.push(known));
  live.followMine(() => {});
  const before = network.socket.asked.length;

  const refused = { type: "error", message: "…" };
  network.socket.hear({ ...refused, code: "not_found", generationId: OTHER });
  network.socket.hear({ ...refused, code: "database_unavailable", generationId: ID });
  network.socket.hear({ ...refused, code: "database_unavailable" });
  await network.clock.turn(20_000);

  assert.deepEqual(heard, [{ deleted: true, id: OTHER, version: 0 }]);
  assert.deepEqual(network.socket.asked.slice(before), [
    { type: "join:generation", generationId: ID },
    { type: "join:mine" },
  ]);
});

test("what was restored can be followed again", async () => {
  const { network, live, heard } = await opened();
  live.follow(ID, () => {});
  network.socket.hear({ type: "generation:deleted", generationId: ID, version: 2 });

  live.follow(ID, (known) => heard.push(known));
  await settled();
  network.socket.hear(joined(generation(3)));

  assert.equal(network.socket.asked.length, 2);
  assert.deepEqual(heard.map(({ deleted }) => deleted), [true, false]);
});

test("what was restored is joined again, for whoever followed it before", async () => {
  const { network, live, heard } = await opened();
  live.follow(ID, (known) => heard.push(known));
  live.followMine(() => {});
  network.socket.hear(joined(generation(2)));
  network.socket.hear({ type: "generation:deleted", generationId: ID, version: 3 });
  const before = network.socket.asked.length;

  network.socket.hear(progress(4));
  network.socket.hear(joined(generation(4)));

  const again = { type: "join:generation", generationId: ID };
  assert.deepEqual(network.socket.asked.slice(before), [again]);
  assert.deepEqual(heard, [
    { ...generation(2), deleted: false },
    { deleted: true, id: ID, version: 3 },
    { ...generation(4), deleted: false },
  ]);
});

test("one of mine that was made elsewhere is heard of, and filled in by following it", async () => {
  const { network, live, heard } = await opened();
  live.followMine((known) => heard.push(known));
  network.socket.hear(joinedMine([]));

  network.socket.hear(progress(1));
  network.socket.hear({ type: "generation:unheard-of", generationId: ID, version: 2 });
  network.socket.hear(joined(generation(1)));
  network.socket.hear({ type: "generation:deleted", generationId: ID, version: 2 });

  assert.deepEqual(heard, [
    { id: ID, version: 1, status: "processing", progress: 40, stage: "finalizing", deleted: false },
    { ...generation(1), deleted: false },
    { deleted: true, id: ID, version: 2 },
  ]);
});

test("once closed nothing is heard any more", async () => {
  const { network, live, states } = await opened();
  live.followMine(({ id }) => (id === ID ? live.close() : assert.fail("it is closed")));
  network.socket.hear({ type: "error", code: "too_busy", message: "…", generationId: ID });
  network.socket.hear(joinedMine([generation(1), generation(1, { id: OTHER })]));
  live.follow(ID, () => assert.fail("it is closed"));
  await settled();
  assert.ok(network.clock.isIdle);

  network.socket.hear(joined(generation(2)));
  network.socket.drop(1006);
  network.goOnline();
  await network.clock.turn(100_000);

  assert.deepEqual(states, ["open", "closed"]);
  assert.equal(network.sockets.length, 1);
});
