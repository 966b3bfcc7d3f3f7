import type { Node, Service } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { type Answer, UNKNOWN_HEALTH, decideHealth, nodePortsOf, orderNodes, readyNodesOf } from "./decide.ts";

function service(type: string, ports: readonly object[]): Service {
  return { metadata: { name: "s" }, spec: { type, ports } } as unknown as Service;
}

function node(name: string, ready: string, address?: string): Node {
  const addresses = address === undefined ? [] : [{ type: "InternalIP", address }];
  return {
    metadata: { name },
    status: { conditions: [{ type: "Ready", status: ready }], addresses },
  } as unknown as Node;
}

describe("nodePortsOf", () => {
  it("takes TCP ports of NodePort and LoadBalancer Services", () => {
    const services = [
      service("NodePort", [
        { port: 80, nodePort: 30080 },
        { port: 53, nodePort: 30053, protocol: "UDP" },
      ]),
      service("LoadBalancer", [{ port: 443, nodePort: 30443, protocol: "TCP" }]),
      service("ClusterIP", [{ port: 1, nodePort: 30001 }]),
      service("NodePort", [{ port: 9 }]),
    ];
    expect([...nodePortsOf(services)]).toEqual([30080, 30443]);
  });
});

describe("readyNodesOf", () => {
  it("prefers nodes that are Ready, and takes any rather than none", () => {
    const nodes = [node("a", "True", "10.0.0.1"), node("b", "Unknown", "10.0.0.2"), node("c", "True")];
    expect(readyNodesOf(nodes)).toEqual([{ name: "a", address: "10.0.0.1" }]);
    expect(readyNodesOf(nodes.slice(1))).toEqual([{ name: "b", address: "10.0.0.2" }]);
  });
});

describe("orderNodes", () => {
  const nodes = ["a", "b", "c"].map((name) => ({ name, address: name }));
  const order = (turn: number, failed: ReadonlyMap<string, number>, now: number): string =>
    orderNodes(nodes, turn, failed, now)
      .map((it) => it.name)
      .join("");

  it("goes round, and tries those that failed lately last", () => {
    expect(order(1, new Map(), 0)).toBe("bca");
    expect(order(1, new Map([["b", 1000]]), 2000)).toBe("cab");
    expect(order(1, new Map([["b", 1000]]), 7000)).toBe("bca");
  });
});

describe("decideHealth", () => {
  function after(...answers: readonly Answer[]): string {
    let health = UNKNOWN_HEALTH;
    const cuts: number[] = [];
    for (const [i, answer] of answers.entries()) {
      const decision = decideHealth(health, answer);
      health = decision.health;
      if (decision.cut) cuts.push(i);
    }
    return `${health.inRotation ? "in" : "out"}${cuts.length === 0 ? "" : `, cut at ${cuts.join(",")}`}`;
  }

  it("believes an answer at once and silence at the second time", () => {
    expect(after()).toBe("out");
    expect(after("ready")).toBe("in");
    expect(after("ready", "notReady")).toBe("out");
    expect(after("ready", "refused")).toBe("out");
    expect(after("ready", "silent")).toBe("in");
    expect(after("ready", "silent", "ready", "silent")).toBe("in");
    expect(after("ready", "silent", "silent", "silent")).toBe("out, cut at 2");
    expect(after("ready", "silent", "silent", "ready")).toBe("in, cut at 2");
  });
});
