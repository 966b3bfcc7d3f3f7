import type { Node } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { routeCommands, wantedRoutes } from "./routes.ts";

const node = (name: string, podCIDR: string | undefined, address: string): Node => ({
  metadata: { name },
  spec: podCIDR === undefined ? {} : { podCIDR },
  status: { addresses: [{ type: "InternalIP", address }] },
});

describe("routes", () => {
  it("lead to every other node that has a pod CIDR", () => {
    const nodes = [
      node("n1", "10.244.1.0/24", "10.0.0.1"),
      node("n2", "10.244.2.0/24", "10.0.0.2"),
      node("n3", undefined, "10.0.0.3"),
    ];
    expect(wantedRoutes(nodes, "n1")).toEqual([{ cidr: "10.244.2.0/24", via: "10.0.0.2" }]);
  });

  it("change only what differs", () => {
    const present = [
      { cidr: "10.244.2.0/24", via: "10.0.0.2" },
      { cidr: "10.244.9.0/24", via: "10.0.0.9" },
      { cidr: "10.244.3.0/24", via: "10.0.0.7" },
    ];
    const wanted = [
      { cidr: "10.244.2.0/24", via: "10.0.0.2" },
      { cidr: "10.244.3.0/24", via: "10.0.0.3" },
    ];
    expect(routeCommands(wanted, present)).toEqual([
      "route del 10.244.9.0/24 proto 84",
      "route replace 10.244.3.0/24 via 10.0.0.3 proto 84",
    ]);
  });
});
