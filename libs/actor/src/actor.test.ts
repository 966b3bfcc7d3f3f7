import { AssertionError, ManualClock } from "@trireme/base";
import { createRegistry } from "@trireme/telemetry";
import { describe, expect, it } from "vitest";
import { type ActorSpec, ActorSystem, type Behaviour, PlantedThrow, type SupervisionDecision } from "./index.ts";

type Message = { type: "add"; n: number } | { type: "fail"; error: Error } | { type: "fork"; n: number };
type Effect = { type: "total"; total: number } | { type: "async"; n: number };

const adder: Behaviour<number, Message, Effect> = {
  name: "adder",
  initial: () => 0,
  receive(state, message) {
    switch (message.type) {
      case "add":
        return { state: state + message.n, effects: [{ type: "total", total: state + message.n }] };
      case "fail":
        throw message.error;
      case "fork":
        return { state, effects: [{ type: "async", n: message.n }] };
    }
  },
};

/** A system whose turns run when the test says so. */
function world(options: { plant?: string } = {}) {
  const clock = new ManualClock();
  const turns: (() => void)[] = [];
  const decisions: SupervisionDecision[] = [];
  const escalated: SupervisionDecision[] = [];
  const registry = createRegistry({ processMetrics: false });
  const system = new ActorSystem({
    component: "test",
    clock,
    registry,
    schedule: (turn) => turns.push(turn),
    onDecision: (decision) => decisions.push(decision),
    onEscalate: (decision) => escalated.push(decision),
    plant: new PlantedThrow(options.plant),
  });
  const tick = (): void => turns.shift()?.();
  const settle = (): void => {
    while (turns.length > 0) tick();
  };
  const totals: number[] = [];
  const spec: ActorSpec<number, Message, Effect> = {
    id: "a",
    behaviour: adder,
    execute(effect) {
      if (effect.type === "total") totals.push(effect.total);
    },
  };
  return { clock, tick, settle, turns, decisions, escalated, registry, system, spec, totals };
}

describe("actor", () => {
  it("handles messages in order, one at a time, never inside send", () => {
    const { system, spec, settle, totals } = world();
    const ref = system.spawn(spec);
    for (let n = 1; n <= 3; n++) ref.send({ type: "add", n });
    expect([totals, ref.depth]).toEqual([[], 3]);
    settle();
    expect([totals, ref.depth]).toEqual([[1, 3, 6], 0]);
  });

  it("gives others their turn after some messages, and the event loop after more", () => {
    const { system, spec, tick, turns } = world();
    const order: string[] = [];
    const make = (id: string) => system.spawn({ ...spec, id, execute: () => void order.push(id) });
    const [a, b] = [make("a"), make("b")];
    for (let i = 0; i < 600; i++) a.send({ type: "add", n: 1 });
    b.send({ type: "add", n: 1 });
    tick();
    expect(order.indexOf("b")).toBe(64);
    expect([order.length, turns.length]).toEqual([512, 1]);
  });

  it("refuses the newest at the bound, but takes answers of its own effects", () => {
    const { system, spec, settle, totals } = world();
    const ref = system.spawn({
      ...spec,
      mailbox: { capacity: 2, overflow: "rejectNewest" },
      execute(effect, self) {
        if (effect.type === "async") for (let i = 0; i < 3; i++) self.send({ type: "add", n: 1 });
        else totals.push(effect.total);
      },
    });
    expect([1, 2, 3].map((n) => ref.send({ type: "fork", n }))).toEqual([true, true, false]);
    settle();
    expect(totals).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("coalesces by key in place: the newest message has the oldest one's turn", () => {
    const { system, spec, settle } = world();
    const seen: Message[] = [];
    const keeper: Behaviour<null, Message, Message> = {
      name: "keeper",
      initial: () => null,
      receive: (state, message) => ({ state, effects: [message] }),
    };
    const ref = system.spawn({
      id: spec.id,
      behaviour: keeper,
      execute: (effect) => void seen.push(effect),
      mailbox: {
        capacity: 2,
        overflow: "coalesceByKey",
        keyOf: (m) => (m.type === "fail" ? undefined : m.type),
      },
    });
    ref.send({ type: "add", n: 1 });
    ref.send({ type: "fork", n: 1 });
    expect(ref.send({ type: "add", n: 2 })).toBe(true);
    expect(ref.send({ type: "fail", error: new Error("x") })).toBe(false);
    settle();
    expect(seen).toEqual([
      { type: "add", n: 2 },
      { type: "fork", n: 1 },
    ]);
    ref.send({ type: "add", n: 3 });
    settle();
    expect(seen).toHaveLength(3);
  });

  it("counts what is sent to a stopped actor as dead letters", async () => {
    const { system, spec, registry, settle } = world();
    const ref = system.spawn(spec);
    ref.send({ type: "add", n: 1 });
    await ref.stop();
    expect(ref.send({ type: "add", n: 1 })).toBe(false);
    settle();
    const text = await registry.render();
    expect(text).toContain('tri_actor_dead_letters_total{behaviour="adder"} 2');
    expect(text).toContain('tri_actor_mailbox_depth{behaviour="adder"} 0');
    expect(system.size).toBe(0);
  });
});

describe("supervision", () => {
  const boom = { type: "fail", error: new Error("boom") } as const;

  it("restarts from the initial state after a doubling pause, keeping what waits", async () => {
    const { system, spec, settle, totals, clock, registry, decisions } = world();
    const ref = system.spawn(spec);
    ref.send({ type: "add", n: 5 });
    ref.send(boom);
    ref.send({ type: "add", n: 1 });
    settle();
    clock.advance(99);
    settle();
    expect(totals).toEqual([5]);
    clock.advance(1);
    settle();
    expect(totals).toEqual([5, 1]);
    ref.send(boom);
    ref.send({ type: "add", n: 2 });
    settle();
    clock.advance(199);
    settle();
    expect(totals).toEqual([5, 1]);
    clock.advance(1);
    settle();
    expect(totals).toEqual([5, 1, 2]);
    expect(decisions.map((d) => [d.directive, d.restarts])).toEqual([
      ["restart", 1],
      ["restart", 2],
    ]);
    expect(await registry.render()).toContain('tri_actor_restarts_total{behaviour="adder"} 2');
  });

  it("escalates past the limit of restarts in the window, and only then", () => {
    const { system, spec, settle, clock, escalated } = world();
    const ref = system.spawn({ ...spec, supervision: { maxRestarts: 2, windowMs: 1000, backoffMs: 10 } });
    const failOnce = (): void => {
      ref.send(boom);
      settle();
      clock.advance(40);
      settle();
    };
    failOnce();
    failOnce();
    clock.advance(1000);
    failOnce();
    failOnce();
    expect(escalated).toHaveLength(0);
    failOnce();
    expect(escalated.map((d) => d.actor)).toEqual(["a"]);
    expect(system.size).toBe(0);
  });

  it("resumes with the state, or stops, as the policy says; a broken invariant always escalates", () => {
    const { system, spec, settle, totals, escalated } = world();
    const resume = system.spawn({ ...spec, supervision: { decide: () => "resume" } });
    resume.send({ type: "add", n: 5 });
    resume.send(boom);
    resume.send({ type: "add", n: 1 });
    settle();
    expect(totals).toEqual([5, 6]);
    const stop = system.spawn({ ...spec, id: "b", supervision: { decide: () => "stop" } });
    stop.send(boom);
    settle();
    expect(stop.send(boom)).toBe(false);
    resume.send({ type: "fail", error: new AssertionError("broken") });
    settle();
    expect(escalated.map((d) => d.actor)).toEqual(["a"]);
  });

  it("hears of effects that fail, and drops answers to an earlier incarnation", async () => {
    const { system, spec, settle, clock, totals, decisions } = world();
    const pending: { n: number; finish: () => void; fail: (e: Error) => void }[] = [];
    const ref = system.spawn({
      ...spec,
      execute(effect, self) {
        if (effect.type === "total") return void totals.push(effect.total);
        return new Promise<void>((resolve, reject) => {
          pending.push({
            n: effect.n,
            finish: () => {
              self.send({ type: "add", n: effect.n });
              resolve();
            },
            fail: reject,
          });
        });
      },
    });
    ref.send({ type: "fork", n: 1 });
    ref.send({ type: "fork", n: 2 });
    settle();
    pending[0]!.fail(new Error("disk"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(decisions.map((d) => d.directive)).toEqual(["restart"]);
    clock.advance(100);
    pending[1]!.finish();
    settle();
    expect(totals).toEqual([]);
    await ref.stop();
  });

  it("sends the first message of each incarnation ahead of all others", () => {
    const { system, spec, settle, clock, totals } = world();
    const ref = system.spawn({ ...spec, started: (): Message => ({ type: "add", n: 100 }) });
    ref.send({ type: "add", n: 1 });
    ref.send(boom);
    ref.send({ type: "add", n: 2 });
    settle();
    clock.advance(100);
    settle();
    expect(totals).toEqual([100, 101, 100, 102]);
  });

  it("plants one throw in the actor that fits, and restarts that actor alone", () => {
    const { system, spec, settle, clock, decisions } = world({ plant: "adder:web-1" });
    const refs = ["pod/web-1", "pod/web-2"].map((id) => system.spawn({ ...spec, id }));
    for (let i = 0; i < 2; i++) {
      for (const ref of refs) ref.send({ type: "add", n: 1 });
      settle();
      clock.advance(1000);
      settle();
    }
    expect(decisions.map((d) => [d.actor, d.directive])).toEqual([["pod/web-1", "restart"]]);
  });
});
