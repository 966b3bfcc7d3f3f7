import { TriremeError } from "@trireme/base";
import { CONFIGMAPS, type ConfigMap, type Resource } from "@trireme/api";
import { type StoreClient, createMemoryStore } from "@trireme/store-client";
import { describe, expect, it } from "vitest";
import { ADMIN, startPipeline } from "../fixture.ts";

const at = (name: string) => ({ resource: CONFIGMAPS as Resource, namespace: "default", name });
const map = (name: string, data: Record<string, string> = {}) =>
  ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data }) as never;

/** A store whose next write is taken or lost, and then answered with "unknown". */
function unsureStore(): { store: StoreClient; failNext(happens: boolean): void } {
  const inner = createMemoryStore();
  let next: boolean | undefined;
  const store: StoreClient = {
    ...inner,
    async txn(request) {
      const happens = next;
      next = undefined;
      if (happens === undefined) return inner.txn(request);
      if (happens) await inner.txn(request);
      throw new TriremeError("Unknown", "no answer came");
    },
  };
  return { store, failNext: (happens) => (next = happens) };
}

describe("a write whose answer is lost", () => {
  it("is found to have happened", async () => {
    const { store, failNext } = unsureStore();
    const fixture = await startPipeline(store);
    failNext(true);
    const created = await fixture.create(map("a", { n: "1" }));
    failNext(true);
    const body = { data: { n: "2" } };
    const { object } = await fixture.pipeline.patch(ADMIN, at("a"), { type: "merge", body });
    expect([created.metadata.uid, (object as ConfigMap).data]).toEqual([object.metadata.uid, { n: "2" }]);
    const read = await fixture.pipeline.get(ADMIN, at("a"));
    expect(read.object.metadata.resourceVersion).toBe(object.metadata.resourceVersion);
    await fixture.stop();
  });

  it("stays unknown when nothing proves that it happened", async () => {
    const { store, failNext } = unsureStore();
    const fixture = await startPipeline(store);
    failNext(false);
    await expect(fixture.create(map("a"))).rejects.toMatchObject({ code: "Unknown" });
    await fixture.create(map("a"));
    failNext(true);
    await expect(fixture.pipeline.delete(ADMIN, at("a"), {})).rejects.toMatchObject({ code: "Unknown" });
    await fixture.stop();
  });
});

describe("a write on a cache that is behind", () => {
  it("decides again on what is there", async () => {
    const store = createMemoryStore();
    const behind = await startPipeline(store);
    const ahead = await startPipeline(store);
    await ahead.create(map("a", { n: "1" }));
    await behind.pipeline.get(ADMIN, at("a"));
    behind.cache.stop();
    await ahead.pipeline.patch(ADMIN, at("a"), { type: "merge", body: { data: { n: "2" } } });
    const stale = behind.pipeline.patch(ADMIN, at("a"), { type: "merge", body: { data: { m: "1" } } });
    expect(((await stale).object as ConfigMap).data).toEqual({ n: "2", m: "1" });
    const test = [{ op: "test", path: "/data/n", value: "2" }];
    await behind.pipeline.patch(ADMIN, at("a"), { type: "json", body: test });
    await ahead.pipeline.delete(ADMIN, at("a"), {});
    await expect(behind.pipeline.delete(ADMIN, at("a"), {})).rejects.toMatchObject({ code: "NotFound" });
    await behind.create(map("a", { n: "3" }));
    await ahead.stop();
  });
});
