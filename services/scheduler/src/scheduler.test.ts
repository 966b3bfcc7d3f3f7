import type {
  KubeObject,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Resource,
  StorageClass,
} from "@trireme/api";
import { ManualClock, TriremeError, createPrng } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import type { Change, Informer } from "@trireme/controller";
import { createRegistry, silentLogger } from "@trireme/telemetry";
import { describe, expect, it } from "vitest";
import { createSchedulerMetrics } from "./metrics.ts";
import { Scheduler } from "./scheduler.ts";

type Answer = () => Promise<unknown>;

interface Patch {
  readonly metadata: { readonly annotations?: Record<string, string> };
  readonly status?: { readonly conditions: readonly { readonly message: string }[] };
}

/** A scheduler over caches that the test fills, and an API whose answers the test chooses. */
class World {
  readonly clock = new ManualClock();
  readonly bindings: string[] = [];
  readonly conditions: string[] = [];
  readonly told: string[] = [];
  fenced = 0;
  inFlight = 0;
  mostInFlight = 0;
  answer: Answer = async () => ({});
  readonly scheduler: Scheduler;
  private readonly nodeListeners: ((change: Change<Node>) => void)[] = [];
  private readonly podListeners: ((change: Change<Pod>) => void)[] = [];
  private readonly pods = new Map<string, Pod>();
  private readonly claimListeners: ((change: Change<PersistentVolumeClaim>) => void)[] = [];
  private readonly claims = new Map<string, PersistentVolumeClaim>();
  private readonly volumes = new Map<string, PersistentVolume>();

  constructor() {
    const resource = ({ resource: plural }: Resource, namespace: string) => ({
      subresource: async (_method: string, name: string, _sub: string, body: { target: { name: string } }) => {
        this.inFlight += 1;
        this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
        try {
          this.bindings.push(`${namespace}/${name} -> ${body.target.name}`);
          return await this.answer();
        } finally {
          this.inFlight -= 1;
        }
      },
      patch: async (name: string, { body }: { body: Patch }) => {
        if (plural === "pods") this.conditions.push(`${name}: ${body.status!.conditions[0]!.message}`);
        else this.claim(name, { annotations: body.metadata.annotations! });
        return {};
      },
    });
    const tell = (object: KubeObject, reason: string, message: string): void =>
      void this.told.push(`${object.metadata.name} ${reason}: ${message}`);
    this.scheduler = new Scheduler({
      client: { resource } as unknown as ApiClient,
      pods: {
        list: () => [...this.pods.values()],
        onChange: (listener: (change: Change<Pod>) => void) => this.podListeners.push(listener),
      } as unknown as Informer<Pod>,
      nodes: {
        onChange: (listener: (change: Change<Node>) => void) => this.nodeListeners.push(listener),
      } as unknown as Informer<Node>,
      claims: {
        get: (_: string, name: string) => this.claims.get(name),
        onChange: (listener: (change: Change<PersistentVolumeClaim>) => void) => this.claimListeners.push(listener),
      } as unknown as Informer<PersistentVolumeClaim>,
      volumes: {
        get: (_: string, name: string) => this.volumes.get(name),
        list: () => [...this.volumes.values()],
        onChange: () => {},
      } as unknown as Informer<PersistentVolume>,
      classes: {
        get: (_: string, name: string): StorageClass => ({
          metadata: { name },
          provisioner: "example.com/any",
          volumeBindingMode: "WaitForFirstConsumer",
        }),
        onChange: () => {},
      } as unknown as Informer<StorageClass>,
      events: { normal: tell, warning: tell, stop() {} },
      clock: this.clock,
      prng: createPrng(1),
      log: silentLogger,
      metrics: createSchedulerMetrics(createRegistry({ processMetrics: false })),
      onFenced: () => {
        this.fenced += 1;
        this.scheduler.rest();
      },
    });
    this.scheduler.follow();
  }

  node(name: string, cpu = "1"): void {
    const object: Node = { metadata: { name }, status: { allocatable: { cpu, memory: "1Gi", pods: "100" } } };
    for (const listener of this.nodeListeners) listener({ type: "added", key: `/${name}`, object });
  }

  pod(name: string, change: Partial<Pod["spec"]> = {}): Pod {
    const containers = [{ name: "c", resources: { requests: { cpu: "100m" } } }];
    const object: Pod = { metadata: { name, namespace: "ns", uid: name }, spec: { containers, ...change } };
    const old = this.pods.get(name);
    this.pods.set(name, object);
    const known = { key: `ns/${name}`, object };
    for (const listener of this.podListeners) {
      listener(old === undefined ? { type: "added", ...known } : { type: "modified", ...known, old });
    }
    return object;
  }

  /** Creates or changes a claim of class `late`; with a volume name it is bound to a volume on `node`. */
  claim(name: string, change: { annotations?: Record<string, string>; volume?: string; node?: string } = {}): void {
    const { annotations = {}, volume, node = "" } = change;
    const object: PersistentVolumeClaim = {
      metadata: { name, namespace: "ns", annotations },
      spec: { storageClassName: "late", ...(volume === undefined ? {} : { volumeName: volume }) },
      status: { phase: volume === undefined ? "Pending" : "Bound" },
    };
    if (volume !== undefined) {
      const terms = [{ matchFields: [{ key: "metadata.name", operator: "In", values: [node] }] }];
      const nodeAffinity = { required: { nodeSelectorTerms: terms } };
      this.volumes.set(volume, { metadata: { name: volume }, spec: { nodeAffinity } });
    }
    const type = this.claims.has(name) ? "modified" : "added";
    this.claims.set(name, object);
    for (const listener of this.claimListeners) listener({ type, key: `ns/${name}`, object });
  }

  selectedNode(name: string): string | undefined {
    return this.claims.get(name)?.metadata.annotations?.["volume.kubernetes.io/selected-node"];
  }

  remove(name: string): void {
    const object = this.pods.get(name)!;
    this.pods.delete(name);
    for (const listener of this.podListeners) listener({ type: "deleted", key: `ns/${name}`, object });
  }

  async settle(ms = 0): Promise<void> {
    this.clock.advance(ms);
    // Promises of answers, then the turn that they ask for, until nothing moves.
    for (let i = 0; i < 20; i++) {
      await Promise.resolve();
      this.clock.advance(0);
    }
  }
}

describe("the scheduler", () => {
  it("decides only while it leads, and then everything that waits", async () => {
    const world = new World();
    world.node("n1");
    world.pod("a");
    await world.settle();
    expect(world.bindings).toEqual([]);
    world.scheduler.lead();
    await world.settle();
    expect(world.bindings).toEqual(["ns/a -> n1"]);
    expect(world.told).toEqual(["a Scheduled: Successfully assigned ns/a to n1"]);
    world.scheduler.rest();
    world.pod("b");
    await world.settle();
    expect(world.bindings).toHaveLength(1);
  });

  it("has a claim's volume made where the pod will run, keeps the place meanwhile, and binds when it is there", async () => {
    const world = new World();
    world.scheduler.lead();
    world.node("n1", "150m");
    const volumes = [{ name: "v", persistentVolumeClaim: { claimName: "data" } }];
    world.pod("a", { volumes });
    await world.settle(100);
    expect(world.conditions).toEqual(['a: 0/1 nodes are available: persistentvolumeclaim "data" not found.']);
    world.claim("data");
    await world.settle();
    expect(world.selectedNode("data")).toBe("n1");
    expect(world.bindings).toEqual([]);
    world.pod("b");
    await world.settle();
    expect(world.conditions.at(-1)).toBe("b: 0/1 nodes are available: 1 Insufficient cpu.");
    world.claim("data", { volume: "pv", node: "n1" });
    await world.settle();
    expect(world.bindings).toEqual(["ns/a -> n1"]);
  });

  it("counts its own placements before the cache shows them", async () => {
    const world = new World();
    world.node("n1", "250m");
    world.scheduler.lead();
    for (const name of ["a", "b", "c"]) world.pod(name);
    await world.settle();
    expect(world.bindings).toEqual(["ns/a -> n1", "ns/b -> n1"]);
    expect(world.conditions).toEqual(["c: 0/1 nodes are available: 1 Insufficient cpu."]);
    world.pod("a", { nodeName: "n1" });
    world.remove("a");
    await world.settle(200);
    expect(world.bindings).toEqual(["ns/a -> n1", "ns/b -> n1", "ns/c -> n1"]);
  });

  it("tries an unschedulable pod again when a node comes", async () => {
    const world = new World();
    world.scheduler.lead();
    world.pod("a");
    await world.settle();
    expect(world.told).toEqual(["a FailedScheduling: 0/0 nodes are available: no nodes are registered."]);
    world.node("n1");
    await world.settle(100);
    expect(world.bindings).toEqual(["ns/a -> n1"]);
  });

  it("plans anew when a binding is refused, and gives the room back", async () => {
    const world = new World();
    world.node("n1", "100m");
    world.scheduler.lead();
    let refuse = true;
    world.answer = async () => {
      if (refuse) throw new TriremeError("Conflict", "changed");
      return {};
    };
    world.pod("a");
    await world.settle();
    refuse = false;
    await world.settle(100);
    expect(world.bindings).toEqual(["ns/a -> n1", "ns/a -> n1"]);
    expect(world.told).toEqual(["a Scheduled: Successfully assigned ns/a to n1"]);
  });

  it("keeps the place of a pod whose binding was not answered, until the cache has told", async () => {
    const world = new World();
    world.node("n1", "100m");
    world.scheduler.lead();
    world.answer = async () => {
      throw new TriremeError("Unknown", "no answer");
    };
    world.pod("a");
    world.pod("b");
    await world.settle(1000);
    expect(world.bindings).toEqual(["ns/a -> n1"]);
    world.pod("a", { nodeName: "n1" });
    await world.settle(10_000);
    expect(world.bindings).toEqual(["ns/a -> n1"]);
    world.remove("a");
    world.answer = async () => ({});
    await world.settle(10_000);
    expect(world.bindings).toEqual(["ns/a -> n1", "ns/b -> n1"]);
  });

  it("stops at the first fenced write", async () => {
    const world = new World();
    world.node("n1");
    world.answer = async () => {
      throw new TriremeError("Fenced", "another leads");
    };
    world.scheduler.lead();
    world.pod("a");
    await world.settle();
    world.pod("b");
    await world.settle(60_000);
    expect([world.fenced, world.bindings.length]).toEqual([1, 1]);
    world.answer = async () => ({});
    world.scheduler.lead();
    await world.settle(1000);
    expect(world.bindings.slice(1).toSorted()).toEqual(["ns/a -> n1", "ns/b -> n1"]);
  });

  it("leaves pods alone that are bound, gated, ending or another scheduler's", async () => {
    const world = new World();
    world.node("n1");
    world.scheduler.lead();
    world.pod("bound", { nodeName: "n1" });
    world.pod("gated", { schedulingGates: [{ name: "wait" }] });
    world.pod("other", { schedulerName: "mine" });
    await world.settle(1000);
    expect(world.bindings).toEqual([]);
    world.pod("gated");
    await world.settle();
    expect(world.bindings).toEqual(["ns/gated -> n1"]);
  });

  it("has a bound of bindings in flight and binds all of a burst", async () => {
    const world = new World();
    for (const name of ["n1", "n2", "n3"]) world.node(name, "100");
    world.scheduler.lead();
    for (let i = 0; i < 100; i++) world.pod(`p${i}`);
    await world.settle();
    for (let i = 0; i < 20; i++) await world.settle();
    expect(world.bindings).toHaveLength(100);
    expect(world.mostInFlight).toBe(16);
  });
});
