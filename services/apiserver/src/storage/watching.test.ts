import { ManualClock } from "@trireme/base";
import { CONFIGMAPS, type KubeObject, PODS, type Resource } from "@trireme/api";
import { createMemoryStore } from "@trireme/store-client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ADMIN, type Fixture, podNamed, startPipeline } from "../fixture.ts";
import type { WatchOptions } from "../pipeline/request.ts";
import type { WatchItem, WatchSession } from "./watch-session.ts";

const pods = { resource: PODS as Resource, namespace: "default" };
const maps = { resource: CONFIGMAPS as Resource, namespace: "default" };

let fixture: Fixture;
const sessions: WatchSession[] = [];
beforeEach(async () => {
  fixture = await startPipeline();
});
afterEach(async () => {
  for (const session of sessions.splice(0)) session.close();
  await fixture.stop();
});

async function watch(options: WatchOptions, on = fixture): Promise<WatchSession> {
  const session = await on.pipeline.watch(ADMIN, pods, options);
  sessions.push(session);
  return session;
}

async function take(session: WatchSession, count: number): Promise<WatchItem[]> {
  const items: WatchItem[] = [];
  while (items.length < count) {
    const more = await session.next();
    if (more === undefined) break;
    items.push(...more);
  }
  return items;
}

type StateItem = Extract<WatchItem, { state: unknown }>;

function told(items: readonly WatchItem[]): string[] {
  return items.map((item) => {
    if (item.type === "BOOKMARK") return item.endsInitial ? "END" : "BOOKMARK";
    if (item.type === "ERROR") return `ERROR ${item.error.code}`;
    return `${item.type} ${item.state.object.metadata.name}`;
  });
}

const label = (name: string, value: string | null): Promise<unknown> =>
  fixture.pipeline.patch(ADMIN, { ...pods, name }, { type: "merge", body: { metadata: { labels: { a: value } } } });

describe("a watch", () => {
  it("shows what is there, then every change in order", async () => {
    await fixture.create(podNamed("old"));
    const session = await watch({});
    await fixture.create(podNamed("new"));
    await label("new", "1");
    await fixture.pipeline.delete(ADMIN, { ...pods, name: "old" }, {});
    expect(told(await take(session, 4))).toEqual(["ADDED old", "ADDED new", "MODIFIED new", "DELETED old"]);
  });

  it("resumes after a version, without loss and without repeats", async () => {
    const first = await fixture.create(podNamed("a"));
    await fixture.create(podNamed("b"));
    await label("a", "1");
    const session = await watch({ resourceVersion: first.metadata.resourceVersion });
    const items = await take(session, 2);
    expect(told(items)).toEqual(["ADDED b", "MODIFIED a"]);
    const frame = JSON.parse((items[1] as StateItem).frame().toString());
    expect(frame).toMatchObject({ type: "MODIFIED", object: { kind: "Pod", metadata: { labels: { a: "1" } } } });
  });

  it("resumes inside a revision that changed several objects without losing one", async () => {
    for (const name of ["a", "b"]) await fixture.create(podNamed(name));
    const bindings = ["a", "b"].map((pod) => ({ namespace: "default", pod, uid: "", node: "n" }));
    const [bound] = await fixture.pipeline.bindAll(ADMIN, bindings);
    const resourceVersion = String((bound as { revision: number }).revision);
    await fixture.create(podNamed("c"));
    const session = await watch({ resourceVersion });
    expect(told(await take(session, 3))).toEqual(["MODIFIED a", "MODIFIED b", "ADDED c"]);
  });

  it("tells a selector of who enters and who leaves", async () => {
    await fixture.create(podNamed("p", { labels: { a: "0" } }));
    const session = await watch({ labelSelector: "a=1" });
    await label("p", "1");
    await label("p", "2");
    await label("p", "3");
    await label("p", "1");
    const items = await take(session, 3);
    expect(told(items)).toEqual(["ADDED p", "DELETED p", "ADDED p"]);
    const gone = items[1] as StateItem;
    const { labels, resourceVersion } = gone.state.object.metadata;
    expect([labels, Number(resourceVersion)]).toEqual([{ a: "1" }, gone.state.revision]);
  });

  it("streams a list and marks its end", async () => {
    await fixture.create(podNamed("a"));
    const session = await watch({
      sendInitialEvents: true,
      resourceVersionMatch: "NotOlderThan",
      allowBookmarks: true,
    });
    await fixture.create(podNamed("b"));
    expect(told(await take(session, 3))).toEqual(["ADDED a", "END", "ADDED b"]);
  });

  it("refuses a version from before the known history", async () => {
    // Another server starts with a gap: what lies before its snapshot it never saw.
    const store = createMemoryStore();
    const one = await startPipeline(store);
    const { resourceVersion } = (await one.create(podNamed("a"))).metadata;
    await one.create(podNamed("b"));
    await store.compact(one.cache.revision);
    const two = await startPipeline(store);
    await expect(watch({ resourceVersion }, two)).rejects.toThrow("too old resource version");
    two.cache.stop();
    await one.stop();
  });

  it("of a restarted server goes on where the former ended", async () => {
    const { resourceVersion } = (await fixture.create(podNamed("a"))).metadata;
    await fixture.create(podNamed("b"));
    const successor = await startPipeline(fixture.store);
    const session = await watch({ resourceVersion }, successor);
    expect(told(await take(session, 1))).toEqual(["ADDED b"]);
    successor.cache.stop();
  });

  it("ends when the server lost history, and a new list and watch go on", async () => {
    const inner = createMemoryStore();
    const ends: ((end: { code: "Expired"; message: string }) => void)[] = [];
    const store: typeof inner = {
      ...inner,
      watch(request, handlers) {
        const real = inner.watch(request, handlers);
        ends.push((end) => {
          real.close();
          handlers.onEnd(end);
        });
        return real;
      },
    };
    const broken = await startPipeline(store);
    await broken.create(podNamed("a"));
    const session = await watch({}, broken);
    await take(session, 1);
    ends[0]!({ code: "Expired", message: "compacted" });
    await broken.create(podNamed("b"));
    expect(told(await take(session, 1))).toEqual(["ERROR Expired"]);
    expect(await session.next()).toBeUndefined();
    await expect.poll(() => broken.cache.synced).toBe(true);
    const again = await watch({}, broken);
    expect(told(await take(again, 2))).toEqual(["ADDED a", "ADDED b"]);
    await broken.create(podNamed("c"));
    expect(told(await take(again, 1))).toEqual(["ADDED c"]);
    await broken.stop();
  });

  it("sends bookmarks that never run ahead of events", async () => {
    const clock = new ManualClock();
    const manual = await startPipeline(createMemoryStore(), clock);
    const session = await watch({ allowBookmarks: true }, manual);
    const created = await manual.create(podNamed("a"));
    await take(session, 1);
    clock.advance(5000);
    const [bookmark] = await take(session, 1);
    expect(bookmark).toMatchObject({ type: "BOOKMARK", endsInitial: false });
    expect((bookmark as { revision: number }).revision).toBeGreaterThanOrEqual(
      Number(created.metadata.resourceVersion),
    );
    await manual.stop();
  });

  it("ends when its reader falls too far behind", async () => {
    const session = await watch({});
    const { cache } = fixture;
    await fixture.create(podNamed("p"));
    // 9,000 events at once, straight into the cache's own path: the queue holds 8,192.
    const apply = (cache as unknown as { apply(events: unknown[], revision: number): void }).apply.bind(cache);
    const [kv] = (await fixture.store.range({ key: "/registry/core/pods/default/p" })).kvs;
    for (let i = 1; i <= 9000; i++) {
      const modRevision = kv!.modRevision + i;
      apply([{ type: "put", kv: { ...kv!, modRevision } }], modRevision);
    }
    expect(await take(session, 10_000)).toHaveLength(8192);
    expect(await session.next()).toBeUndefined();
  });
});

describe("lists", () => {
  const names = (items: readonly { object: KubeObject }[]): string[] => items.map((one) => one.object.metadata.name!);

  it("come in pages of one version", async () => {
    for (const name of ["a", "b", "c", "d", "e"]) await fixture.create(podNamed(name));
    const first = await fixture.pipeline.list(ADMIN, pods, { limit: 2 });
    expect([names(first.items), first.remaining]).toEqual([["a", "b"], 3]);
    await fixture.create(podNamed("bb"));
    await fixture.pipeline.delete(ADMIN, { ...pods, name: "d" }, {});
    const second = await fixture.pipeline.list(ADMIN, pods, { limit: 2, continueToken: first.continueToken });
    expect([names(second.items), second.remaining, second.revision]).toEqual([["c", "d"], 1, first.revision]);
    const third = await fixture.pipeline.list(ADMIN, pods, { limit: 2, continueToken: second.continueToken });
    expect([names(third.items), third.continueToken]).toEqual([["e"], undefined]);
  });

  it("page through what a selector finds", async () => {
    for (let i = 0; i < 7; i++) await fixture.create(podNamed(`p${i}`, { labels: { odd: String(i % 2) } }));
    const seen: string[] = [];
    let continueToken: string | undefined;
    do {
      const page = await fixture.pipeline.list(ADMIN, pods, { limit: 2, labelSelector: "odd=0", continueToken });
      seen.push(...names(page.items));
      continueToken = page.continueToken;
    } while (continueToken !== undefined);
    expect(seen).toEqual(["p0", "p2", "p4", "p6"]);
  });

  it("say that a continue token is too old, or of another list", async () => {
    for (const name of ["a", "b", "c"]) await fixture.create(podNamed(name));
    const first = await fixture.pipeline.list(ADMIN, pods, { limit: 1 });
    const options = { limit: 1, continueToken: first.continueToken };
    const elsewhere = { resource: PODS as Resource, namespace: "kube-system" };
    await expect(fixture.pipeline.list(ADMIN, elsewhere, options)).rejects.toMatchObject({ code: "BadRequest" });
    await fixture.create(podNamed("d"));
    await fixture.store.compact(fixture.cache.revision);
    await expect(fixture.pipeline.list(ADMIN, pods, options)).rejects.toMatchObject({ code: "Expired" });
  });

  it("see every write acknowledged before, on every server", async () => {
    const other = await startPipeline(fixture.store);
    for (let i = 0; i < 20; i++) {
      await fixture.create(podNamed(`p${i}`));
      expect((await other.pipeline.list(ADMIN, pods, {})).items).toHaveLength(i + 1);
    }
    other.cache.stop();
  });

  it("of one kind leave the others out", async () => {
    await fixture.create(podNamed("a"));
    expect((await fixture.pipeline.list(ADMIN, maps, {})).items).toEqual([]);
    const unknown = fixture.pipeline.list(ADMIN, maps, { fieldSelector: "spec.nodeName=x" });
    await expect(unknown).rejects.toThrow("field label not supported: spec.nodeName");
  });
});
