import type { Node } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { dnsService, dnsSlice } from "./decide.ts";

function node(name: string, address: string, ready: boolean): Node {
  return {
    metadata: { name, uid: name },
    status: {
      addresses: [{ type: "InternalIP", address }],
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  };
}

describe("the DNS Service", () => {
  const service = { ...dnsService("10.96.0.0/16"), metadata: { ...dnsService("10.96.0.0/16").metadata, uid: "s" } };

  it("has the tenth address", () => {
    expect(service.spec.clusterIP).toBe("10.96.0.10");
  });

  it("names every node, ready or not, and is written only when that changes", () => {
    const nodes = [node("n2", "10.0.0.2", false), node("n1", "10.0.0.1", true)];
    const slice = dnsSlice(service, nodes, undefined)!;
    expect(slice.endpoints!.map((one) => [one.addresses[0], one.conditions!.ready])).toEqual([
      ["10.0.0.1", true],
      ["10.0.0.2", false],
    ]);
    expect(dnsSlice(service, nodes, slice)).toBeUndefined();
    expect(dnsSlice(service, nodes.slice(1), slice)!.endpoints).toHaveLength(1);
  });
});
