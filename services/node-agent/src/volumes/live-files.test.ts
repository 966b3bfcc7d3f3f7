import type { Pod } from "@trireme/api";
import { ManualClock } from "@trireme/base";
import { silentLogger } from "@trireme/telemetry";
import { describe, expect, it } from "vitest";
import { createLiveFiles } from "./live-files.ts";

/** Objects that the test changes, and the writes that follow. */
class World {
  readonly clock = new ManualClock();
  readonly open = new Set<string>();
  readonly writes: string[] = [];
  readonly objects = new Map<string, string>();
  private readonly listeners = new Map<string, () => void>();
  /** While set, writes wait for it. */
  hold: Promise<void> | undefined;
  failing = false;
  readonly live = createLiveFiles({
    open: ({ kind, name }, namespace, onChange) => {
      const key = `${kind}/${namespace}/${name}`;
      this.open.add(key);
      this.listeners.set(key, onChange);
      const { objects } = this;
      return {
        hasSynced: true,
        get data() {
          const value = objects.get(key);
          return value === undefined ? undefined : new Map([["k", Buffer.from(value)]]);
        },
        stop: () => void this.open.delete(key),
      };
    },
    refresh: async (pod, lookup) => {
      const text = lookup({ kind: "ConfigMap", name: "c" })?.get("k")?.toString() ?? "absent";
      await this.hold;
      if (this.failing) throw new Error("disk full");
      this.writes.push(`${pod.metadata.uid} ${text} ${pod.metadata.labels?.["l"] ?? ""}`.trim());
    },
    clock: this.clock,
    log: silentLogger,
  });

  set(value: string): void {
    this.objects.set("ConfigMap/ns/c", value);
    this.listeners.get("ConfigMap/ns/c")?.();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }
}

const pod = (uid: string, labels: Record<string, string> = {}): Pod => ({
  metadata: { name: uid, namespace: "ns", uid, labels },
  spec: {
    containers: [],
    volumes: [
      { name: "a", configMap: { name: "c" } },
      { name: "b", projected: { sources: [{ secret: { name: "s" } }, { configMap: { name: "c" } }] } },
    ],
  },
});

describe("live files", () => {
  it("follow each object once, for as long as a pod names it", async () => {
    const { live, open } = new World();
    live.follow(pod("p1"));
    live.follow(pod("p2"));
    live.follow({ ...pod("p3"), spec: { containers: [], volumes: [{ name: "e", emptyDir: {} }] } });
    expect([...open].toSorted()).toEqual(["ConfigMap/ns/c", "Secret/ns/s"]);
    await live.drop("p1");
    expect(open.size).toBe(2);
    await live.drop("p2");
    expect(open.size).toBe(0);
  });

  it("are written again for every pod when an object changes, and for one when its own words do", async () => {
    const world = new World();
    world.set("1");
    world.live.follow(pod("p1"));
    world.live.follow(pod("p2"));
    await world.settle();
    world.writes.length = 0;
    world.set("2");
    await world.settle();
    expect(world.writes).toEqual(["p1 2", "p2 2"]);
    world.live.changed(pod("p1", { l: "x" }));
    world.live.changed(pod("p2"));
    world.live.changed(pod("stranger", { l: "x" }));
    await world.settle();
    expect(world.writes.slice(2)).toEqual(["p1 2 x"]);
  });

  it("end with the newest state, however many changes come during a write", async () => {
    const world = new World();
    let free = (): void => {};
    world.hold = new Promise((resolve) => (free = resolve));
    world.live.follow(pod("p1"));
    for (const value of ["1", "2", "3"]) world.set(value);
    free();
    await world.settle();
    expect(world.writes).toEqual(["p1 absent", "p1 3"]);
  });

  it("are tried again after a failure, and a pod that is dropped waits for its last write", async () => {
    const world = new World();
    world.failing = true;
    world.live.follow(pod("p1"));
    await world.settle();
    world.failing = false;
    world.clock.advance(5_000);
    await world.settle();
    expect(world.writes).toEqual(["p1 absent"]);
    let free = (): void => {};
    world.hold = new Promise((resolve) => (free = resolve));
    world.set("1");
    let dropped = false;
    const drop = world.live.drop("p1").then(() => (dropped = true));
    await world.settle();
    expect(dropped).toBe(false);
    free();
    await drop;
    world.set("2");
    await world.settle();
    expect(world.writes).toEqual(["p1 absent", "p1 1"]);
  });
});
