import { TriremeError } from "@trireme/base";
import { describe, expect, it } from "vitest";
import { createLogger, createRegistry } from "./index.ts";

describe("createLogger", () => {
  it("writes one JSON line with component, level name, keys and message", () => {
    const lines: string[] = [];
    const log = createLogger("store", { level: "info", sink: (line) => lines.push(line) });
    log.child({ node: "n1" }).info("leader elected", { term: 3 });
    log.debug("not shown");
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      component: "store",
      level: "info",
      node: "n1",
      term: 3,
      msg: "leader elected",
    });
  });

  it("renders errors with code and causes, a stack only for surprises, and survives a cycle of causes", () => {
    const lines: string[] = [];
    const log = createLogger("x", { sink: (line) => lines.push(line) });
    const socket = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
    log.error("request failed", { err: new TriremeError("ServiceUnavailable", "no server", { cause: socket }) });
    const cyclic = new Error("a");
    cyclic.cause = cyclic;
    log.error("request failed", { err: cyclic });
    const [first, second] = lines.map((line) => JSON.parse(line) as { err: Record<string, unknown> });
    expect(first!.err).toEqual({
      code: "ServiceUnavailable",
      message: "no server",
      cause: { code: "ECONNREFUSED", message: "refused" },
    });
    expect(second!.err["stack"]).toContain("telemetry.test");
  });
});

describe("createRegistry", () => {
  it("renders what was counted, set and observed", async () => {
    const registry = createRegistry({ processMetrics: false });
    registry.counter("tri_x_total", "x", ["result"]).inc({ result: "ok" }, 2);
    registry.counter("tri_x_total", "x", ["result"]).inc({ result: "ok" });
    registry.gauge("tri_depth", "depth", [], (g) => g.set(7));
    registry.histogram("tri_wait_seconds", "wait").observe(0.7);
    const text = await registry.render();
    expect(text).toContain('tri_x_total{result="ok"} 3');
    expect(text).toContain("tri_depth 7");
    expect(text).toContain('tri_wait_seconds_bucket{le="1"} 1');
    expect(text).toContain('tri_wait_seconds_bucket{le="0.5"} 0');
  });

  it("refuses one name for two shapes", () => {
    const registry = createRegistry({ processMetrics: false });
    registry.counter("tri_x_total", "x");
    expect(() => registry.gauge("tri_x_total", "x")).toThrow("registered as counter()");
  });

  it("has process metrics by default", async () => {
    expect(await createRegistry().render()).toContain("process_cpu_seconds_total");
  });
});
