import { ActorSystem, PlantedThrow } from "@trireme/actor";
import { AssertionError, ManualClock, TriremeError } from "@trireme/base";
import { createMemoryHub, listen, actorDecisionCodec, type ActorDecision } from "@trireme/bus";
import { createRegistry } from "@trireme/telemetry";
import { describe, expect, it } from "vitest";
import { type ControllerOptions, type KeySource, TerminalError, createController } from "./controller.ts";
import { decisionPublisher } from "./decision-publisher.ts";

/** A source whose keys the test adds. */
function source(initial: readonly string[] = []) {
  const adders = new Set<(key: string) => void>();
  const keys = new Set(initial);
  const made: KeySource = {
    synced: Promise.resolve(),
    follow(add) {
      adders.add(add);
      for (const key of keys) add(key);
      return () => adders.delete(add);
    },
  };
  const change = (key: string): void => {
    keys.add(key);
    for (const add of adders) add(key);
  };
  return { made, change, adders };
}

function world(options: Partial<ControllerOptions> = {}, plant?: string) {
  const clock = new ManualClock();
  const hub = createMemoryHub();
  const bus = hub.connect();
  const decisions: ActorDecision[] = [];
  const escalated: unknown[] = [];
  listen(hub.connect(), "tri.v1.actor.>", actorDecisionCodec, (decision) => decisions.push(decision));
  const registry = createRegistry({ processMetrics: false });
  const system = new ActorSystem({
    component: "controllers",
    clock,
    registry,
    schedule: (turn) => queueMicrotask(turn),
    onDecision: decisionPublisher(bus, "controllers"),
    onEscalate: (decision) => escalated.push(decision.error),
    plant: new PlantedThrow(plant),
  });
  const from = source(["ns/a"]);
  const done: string[] = [];
  const controller = createController({
    name: "deployment",
    sources: [from.made],
    reconcile: async (key) => void done.push(key),
    system,
    clock,
    registry,
    ...options,
  });
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 60; i++) await Promise.resolve();
  };
  return { clock, controller, from, done, settle, registry, decisions, escalated };
}

describe("controller", () => {
  it("looks at every key at the start, at each change, and again on the slow timer", async () => {
    const { controller, from, done, settle, clock } = world();
    controller.start();
    await settle();
    from.change("ns/b");
    from.change("ns/b");
    await settle();
    expect(done).toEqual(["ns/a", "ns/b"]);
    clock.advance(600_000);
    await settle();
    expect(done).toEqual(["ns/a", "ns/b", "ns/a", "ns/b"]);
    expect(from.adders.size).toBe(1);
  });

  it("never works on one key twice at once, and on as many keys as it has workers", async () => {
    let running = 0;
    let most = 0;
    const active = new Set<string>();
    const waiting: (() => void)[] = [];
    const { controller, from, settle } = world({
      workers: 2,
      reconcile: async (key) => {
        expect(active.has(key)).toBe(false);
        active.add(key);
        running += 1;
        most = Math.max(most, running);
        await new Promise<void>((resolve) => waiting.push(resolve));
        running -= 1;
        active.delete(key);
      },
    });
    controller.start();
    for (const key of ["b", "c", "d"]) from.change(key);
    await settle();
    from.change("ns/a");
    await settle();
    expect([running, most]).toEqual([2, 2]);
    let finished = 0;
    while (waiting.length > 0) {
      waiting.shift()!();
      finished += 1;
      await settle();
    }
    // Each of four keys, and once more the one that changed while it was worked on.
    expect([finished, most]).toEqual([5, 2]);
  });

  it("tries again after a back-off, not after a terminal or fenced failure, and when it was asked to", async () => {
    const failures: Record<string, Error | undefined> = {
      "ns/a": new TriremeError("Conflict", "changed"),
      terminal: new TerminalError("hopeless"),
      fenced: new TriremeError("Fenced", "deposed"),
    };
    const tries: string[] = [];
    const { controller, from, settle, clock, registry } = world({
      reconcile: async (key) => {
        tries.push(key);
        if (failures[key] !== undefined) throw failures[key];
        return key === "again" ? { requeueAfterMs: 500 } : undefined;
      },
    });
    controller.start();
    for (const key of ["terminal", "fenced", "again"]) from.change(key);
    await settle();
    clock.advance(10);
    await settle();
    expect(tries).toEqual(["ns/a", "terminal", "fenced", "again", "ns/a"]);
    failures["ns/a"] = undefined;
    clock.advance(20);
    await settle();
    clock.advance(470);
    await settle();
    expect(tries.slice(5)).toEqual(["ns/a", "again"]);
    const text = await registry.render();
    expect(text).toContain('tri_controller_reconcile_total{controller="deployment",result="error"} 2');
    expect(text).toContain('tri_controller_reconcile_total{controller="deployment",result="requeue"} 2');
  });

  it("stops: aborts, waits for what is under way, takes up nothing new; and starts again", async () => {
    let finish: () => void = () => {};
    let aborted = false;
    const { controller, from, settle, done } = world({
      reconcile: async (key, signal) => {
        done.push(key);
        await new Promise<void>((resolve) => (finish = resolve));
        aborted = signal.aborted;
      },
    });
    controller.start();
    await settle();
    let stopped = false;
    const stopping = controller.stop().then(() => (stopped = true));
    from.change("ns/b");
    await settle();
    expect([stopped, done]).toEqual([false, ["ns/a"]]);
    finish();
    await stopping;
    expect(aborted).toBe(true);
    controller.start();
    await settle();
    expect(done).toEqual(["ns/a", "ns/a", "ns/b"]);
  });

  it("escalates a broken invariant in a reconciler", async () => {
    const { controller, settle, escalated } = world({
      reconcile: async () => {
        throw new AssertionError("never");
      },
    });
    controller.start();
    await settle();
    expect(String(escalated[0])).toContain("never");
  });

  it("restarts after a planted throw and still looks at every key; log, counter and bus show it", async () => {
    const { controller, settle, clock, done, registry, decisions } = world({}, "controller:deployment");
    controller.start();
    await settle();
    expect(done).toEqual([]);
    clock.advance(100);
    await settle();
    expect(done).toEqual(["ns/a"]);
    expect(await registry.render()).toContain('tri_actor_restarts_total{behaviour="controller"} 1');
    expect(decisions).toMatchObject([
      { component: "controllers", behaviour: "controller", actor: "deployment", decision: "restart", restarts: 1 },
    ]);
  });
});
