import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pod } from "@trireme/api";
import { ManualClock } from "@trireme/base";
import { silentLogger } from "@trireme/telemetry";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createManifestStore } from "./manifest-store.ts";

let dir = "";
beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), "manifests-")), "kept");
});
afterEach(() => rm(join(dir, ".."), { recursive: true }));

const pod = (uid: string, resourceVersion: string): Pod => ({
  metadata: { name: uid, namespace: "default", uid, resourceVersion, managedFields: [{ manager: "kubectl" }] },
  spec: { containers: [{ name: "c" }] },
});

describe("the manifest store", () => {
  it("keeps the newest state of each pod for the next agent, for root alone, until the pod is gone", async () => {
    const clock = new ManualClock(0);
    const store = createManifestStore(dir, clock, silentLogger);
    for (const version of ["1", "2"]) store.keep(pod("a", version));
    store.keep(pod("b", "7"));
    store.keep(pod("../c", "7"));
    clock.advance(1000);
    const next = createManifestStore(dir, clock, silentLogger);
    await store.list();
    expect((await next.list()).map(({ metadata }) => [metadata.uid, metadata.resourceVersion])).toEqual([
      ["a", "2"],
      ["b", "7"],
    ]);
    expect((await next.list())[0]!.metadata.managedFields).toBeUndefined();
    expect((await stat(join(dir, "a.json"))).mode & 0o777).toBe(0o600);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    store.keep(pod("a", "3"));
    store.forget("a");
    clock.advance(1000);
    expect((await store.list()).map(({ metadata }) => metadata.uid)).toEqual(["b"]);
    expect(await readdir(dir)).toEqual(["b.json"]);
  });

  it("leaves out what cannot be read", async () => {
    const store = createManifestStore(dir, new ManualClock(0), silentLogger);
    await store.list();
    await writeFile(join(dir, "x.json"), "{");
    expect(await store.list()).toEqual([]);
  });
});
