/**
 * Goal: whoever watches ends with what is there, wherever they join, leave and come back. Method: seeded random writers
 * on two servers of one store; watchers that break off at random and resume at random on either server; at the end each
 * watcher's picture, both caches and the store must agree.
 */
import { createPrng, hasCode } from "@trireme/base";
import { CONFIGMAPS, type Resource } from "@trireme/api";
import { createMemoryStore } from "@trireme/store-client";
import { expect, it } from "vitest";
import { ADMIN, type Fixture, startPipeline } from "../fixture.ts";
import type { WatchSession } from "./watch-session.ts";

const target = { resource: CONFIGMAPS as Resource, namespace: "default" };

class Picture {
  readonly seen = new Map<string, string>();
  revision = "";
  private session: WatchSession | undefined;

  /** Takes in what comes until `stop` says so, then breaks off. */
  async follow(fixture: Fixture, stop: () => boolean): Promise<void> {
    if (this.revision === "") {
      const list = await fixture.pipeline.list(ADMIN, target, { labelSelector: "kept=yes" });
      for (const { path, object } of list.items) this.seen.set(path, object.metadata.resourceVersion!);
      this.revision = String(list.revision);
    }
    const options = { labelSelector: "kept=yes", resourceVersion: this.revision };
    this.session = await fixture.pipeline.watch(ADMIN, target, options);
    while (!stop()) {
      const items = await Promise.race([this.session.next(), new Promise<[]>((done) => setTimeout(done, 2, []))]);
      for (const item of items ?? []) {
        expect(item.type).not.toBe("ERROR");
        if (item.type === "ERROR" || item.type === "BOOKMARK") continue;
        const { path, object } = item.state;
        expect(Number(object.metadata.resourceVersion)).toBeGreaterThan(Number(this.revision));
        if (item.type === "ADDED") expect(this.seen.has(path)).toBe(false);
        else expect(this.seen.has(path)).toBe(true);
        if (item.type === "DELETED") this.seen.delete(path);
        else this.seen.set(path, object.metadata.resourceVersion!);
        this.revision = object.metadata.resourceVersion!;
      }
    }
    this.session.close();
  }
}

it.each([1, 2, 3])("watchers that come and go see everything exactly once (seed %i)", async (seed) => {
  const prng = createPrng(seed);
  const pick = (n: number): number => Math.floor(prng.next() * n);
  const store = createMemoryStore();
  const servers = [await startPipeline(store), await startPipeline(store)];
  let writing = true;
  const write = async (): Promise<void> => {
    for (let i = 0; i < 120; i++) {
      const { pipeline } = servers[pick(2)]!;
      const name = `m${pick(6)}`;
      const labels = { kept: pick(3) === 0 ? "no" : "yes", n: String(i) };
      try {
        const action = pick(4);
        if (action === 0) await pipeline.delete(ADMIN, { ...target, name }, {});
        else if (action === 1) await pipeline.create(ADMIN, target, { metadata: { name, labels } }, {});
        else await pipeline.patch(ADMIN, { ...target, name }, { type: "merge", body: { metadata: { labels } } });
      } catch (thrown) {
        if (!hasCode(thrown, "NotFound") && !hasCode(thrown, "AlreadyExists")) throw thrown;
      }
    }
  };
  const watch = async (): Promise<Picture> => {
    const picture = new Picture();
    while (writing) {
      let left = 1 + pick(10);
      await picture.follow(servers[pick(2)]!, () => !writing || left-- <= 0);
    }
    const done = performance.now() + 100;
    await picture.follow(servers[pick(2)]!, () => performance.now() > done);
    return picture;
  };
  const writers = Promise.all([write(), write(), write()]).then(() => {
    writing = false;
  });
  const [, ...pictures] = await Promise.all([writers, watch(), watch(), watch()]);
  const { kvs } = await store.range({
    key: "/registry/core/configmaps/default/",
    rangeEnd: "/registry/core/configmaps/default0",
  });
  const truth = kvs.map((kv) => [kv.key.split("/").slice(-2).join("/"), String(kv.modRevision)]);
  for (const { cache } of servers) {
    const cached = [...cache.of(CONFIGMAPS).range("")].map((one) => [one.path, one.object.metadata.resourceVersion]);
    expect(cached).toEqual(truth);
  }
  const kept = (await servers[0]!.pipeline.list(ADMIN, target, { labelSelector: "kept=yes" })).items;
  for (const { seen } of pictures) {
    expect([...seen].toSorted()).toEqual(kept.map((one) => [one.path, one.object.metadata.resourceVersion]));
  }
  for (const server of servers) server.cache.stop();
  await store.close();
});
