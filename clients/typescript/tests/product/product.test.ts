/** Against a running product; tests/test_typescript_client.py starts it and says where it is. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type Clock, realClock } from "../../src/clock.js";
import { type Generation, hasEnded, type Known, MadarClient, type MadarOptions, MadarProblem } from "../../src/index.js";
import { Proxy } from "./proxy.js";

/** Set by the test that starts this. */
function told(name: string): string {
  return process.env[name] ?? assert.fail(`${name} is not set`);
}

const URL_OF_PRODUCT = told("MADAR_URL");
const ROCKET = { style: "voxel-3d", textPrompt: "a red rocket", seed: 7 };

/** Comes back soon, so that nobody sleeps here; deadlines, which are longer, stay as they are. */
const hasty: Clock = {
  now: realClock.now,
  after: (ms, run) => realClock.after(ms <= 6_000 ? ms / 20 : ms, run),
};
/** Else the wait between attempts would grow past what `hasty` shortens. */
const random = () => Math.random() / 10;

function clientOf(token: string, options: Partial<MadarOptions> = {}) {
  return new MadarClient({ baseUrl: URL_OF_PRODUCT, token, clock: hasty, random, ...options });
}

const amal = clientOf(told("AMAL"));

/** The first that fits; what was heard before counts too. */
function news<T>() {
  const heard: T[] = [];
  const waiting = new Set<() => void>();
  return {
    heard,
    tell(one: T) {
      heard.push(one);
      for (const look of waiting) look();
    },
    until(fits: (one: T) => boolean): Promise<T> {
      return new Promise((resolve) => {
        const look = () => {
          const found = heard.find(fits);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      });
    },
  };
}

describe("before there is a worker", () => {
  test("what a gallery does", async () => {
    assert.ok((await amal.signInUrl("/gallery")).url.includes("/google/"));
    assert.equal((await amal.me()).email, "amal@madar.test");
    assert.ok((await amal.styles()).some(({ id }) => id === "voxel-3d"));

    const manner = { idempotencyKey: crypto.randomUUID() };
    const made = await amal.createGeneration(ROCKET, manner);
    assert.deepEqual(await amal.createGeneration(ROCKET, manner), made, "the same key, once");
    assert.equal((await amal.getGeneration(made.id)).prompt, "a red rocket");
    assert.equal((await amal.like(made.id)).isLiked, true);
    const liked = [];
    for await (const { id } of amal.listGenerations({ liked: true, limit: 1 })) liked.push(id);
    assert.deepEqual(liked, [made.id]);

    assert.equal((await amal.cancel(made.id)).errorCode, "cancelled");
    const again = await amal.retry(made.id);
    assert.equal(again.parentId, made.id);
    await amal.delete(again.id, { permanent: true });
    await assert.rejects(amal.getGeneration(again.id), { status: 404, code: "not_found" });

    assert.equal((await amal.trash()).generations.length, 0);
    assert.ok((await amal.stats()).totalGenerations > 0);
    const changed = await amal.changeProfile({ displayName: "Amal A." });
    assert.equal((await amal.profile()).displayName, changed.displayName);
  });

  test("pictures are uploaded", async () => {
    const picture = new Blob([Buffer.from(told("PICTURE"), "base64")], { type: "image/png" });

    const { id } = await amal.uploadImage(picture);
    const wish = { style: "voxel-3d", inputType: "image" } as const;
    const fromUpload = await amal.createGeneration({ ...wish, sourceUploadId: id });
    const fromForm = await amal.createGeneration({ ...wish, picture, customColors: ["#ff0000", "#00ff00"] });

    assert.equal((await amal.getGeneration(fromUpload.id)).sourceUploadId, id);
    const seen = await amal.getGeneration(fromForm.id);
    assert.deepEqual(seen.customColors, ["#ff0000", "#00ff00"]);
    assert.ok(seen.sourceImageUrl);
  });

  test("a refusal speaks Arabic to whoever reads Arabic", async () => {
    const arabic = clientOf(told("BADR"), { language: "ar" });

    const refused = await arabic.createGeneration({ ...ROCKET, textPrompt: " " }).catch((error) => error);

    assert.ok(refused instanceof MadarProblem);
    assert.deepEqual([refused.status, refused.code], [422, "prompt_empty"]);
    assert.match(refused.detail, /[\u0600-\u06ff]{3}/);
    assert.deepEqual(refused.errors.map(({ pointer }) => pointer), ["/textPrompt"]);
    assert.match(refused.errors[0]?.detail ?? "", /[\u0600-\u06ff]{3}/);
  });

  test("live speaks the language that was asked for", async () => {
    const arabic = clientOf(told("BADR"), { language: "ar" });
    const { id } = await arabic.createGeneration(ROCKET);
    const heard = news<Known>();
    const live = arabic.live();
    live.follow(id, heard.tell);
    await heard.until(() => true);

    await arabic.cancel(id);
    const failed = await heard.until(hasEnded);

    assert.match((!failed.deleted && failed.error) || "", /[\u0600-\u06ff]{3}/);
    live.close();
  });
});

describe("live, each beside the other", { concurrency: true }, () => {
  test("whoever was cut off knows in the end what somebody who stayed knows", async () => {
    const proxy = new Proxy(new URL(URL_OF_PRODUCT));
    const away = clientOf(told("AMAL"), { baseUrl: await proxy.listening() });
    const { id } = await amal.createGeneration(ROCKET);
    const [stayed, returned, mine, watched] = [news<Known>(), news<Known>(), news<Known>(), news<Known>()];
    const isIt = (known: Known) => known.id === id;
    const isOver = (known: Known) => isIt(known) && hasEnded(known);

    const [line, cutLine] = [amal.live(), away.live()];
    line.follow(id, stayed.tell);
    cutLine.follow(id, returned.tell);
    cutLine.followMine(mine.tell);
    const watching = (async () => {
      for await (const known of away.watch(id)) watched.tell(known);
    })();
    await Promise.all([stayed, returned, mine, watched].map(({ until }) => until(isIt)));

    proxy.cut();
    const madeMeanwhile = await amal.createGeneration(ROCKET);
    await fetch(told("STAGE"), { method: "POST" });
    await stayed.until(isOver);
    assert.ok(!returned.heard.some(isOver));
    proxy.heal();
    await Promise.all([returned.until(isOver), mine.until(isOver), watching]);
    await mine.until((known) => known.id === madeMeanwhile.id && hasEnded(known));

    const end = lasting(await amal.getGeneration(id));
    assert.equal(end.status, "completed");
    assert.deepEqual(lasting(cutLine.snapshot(id)), end);
    assert.deepEqual(lasting(watched.heard.at(-1)), end);
    const { completedAt, translation, ...toldByEvents } = end;
    assert.ok(completedAt);
    assert.partialDeepStrictEqual(lasting(line.snapshot(id)), toldByEvents);
    const versions = returned.heard.map(({ version }) => version);
    assert.deepEqual(versions, [...versions].sort((one, other) => one - other));
    line.close();
    cutLine.close();
    proxy.close();
  });

  test("who comes back sees what no event tells: likes, and what was deleted", async () => {
    const proxy = new Proxy(new URL(URL_OF_PRODUCT));
    const away = clientOf(told("BADR"), { baseUrl: await proxy.listening() });
    const badr = clientOf(told("BADR"));
    const [liked, deleted] = [await badr.createGeneration(ROCKET), await badr.createGeneration(ROCKET)];
    const heard = news<Known>();
    const live = away.live();
    const end = live.followMine(() => {});
    live.follow(liked.id, heard.tell);
    live.follow(deleted.id, heard.tell)();
    await heard.until(({ id }) => id === liked.id);

    end();
    await badr.like(liked.id);
    await badr.delete(deleted.id, { permanent: true });
    proxy.cut();
    proxy.heal();
    live.followMine(heard.tell);

    await heard.until((known) => known.id === liked.id && !known.deleted && known.isLiked === true);
    await heard.until((known) => known.id === deleted.id && known.deleted);
    live.close();
    proxy.close();
  });

  test("the eleventh of a person waits until there is room", async () => {
    const eman = clientOf(told("EMAN"));
    const { id } = await eman.createGeneration(ROCKET);
    const page = new AbortController();
    const ten = Array.from({ length: 10 }, () => eman.watch(id, { signal: page.signal }));
    await Promise.all(ten.map((one) => one.next()));
    const refused = news<number>();
    const eleventh = clientOf(told("EMAN"), {
      fetch: async (...wish) => {
        const response = await fetch(...wish);
        refused.tell(response.status);
        return response;
      },
    }).watch(id);

    const first = eleventh.next();
    await refused.until((status) => status === 429);
    page.abort();

    assert.equal((await first).value?.id, id);
    await eleventh.return();
    assert.equal(await eman.request("DELETE /api/user"), undefined);
  });

  test("after a sign-out nothing comes any more", async () => {
    const dana = clientOf(told("DANA"));
    const states = news<string>();
    const live = dana.live({ onState: states.tell });
    live.followMine(() => {});
    await states.until((state) => state === "open");

    await dana.signOut();
    await states.until((state) => state === "signedOut");

    assert.equal(live.ending?.reason, "not_signed_in");
    await assert.rejects(dana.me(), { status: 401, code: "not_signed_in" });
    live.close();
  });
});

/** All of it but links, which age. */
function lasting(known: Generation | Known | undefined): Partial<Generation> {
  assert.ok(known && !("deleted" in known && known.deleted));
  const { deleted: _, ...rest } = { deleted: false, ...known };
  return JSON.parse(JSON.stringify(rest, (name, value) => (name.endsWith("Url") ? undefined : value)));
}
