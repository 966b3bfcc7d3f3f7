import type { EndpointSlice, Service } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { staleFlows } from "./proxy.ts";
import { renderTable } from "./render.ts";
import { portRules } from "./service-rules.ts";

const service = (name: string, spec: Partial<Service["spec"]>): Service => ({
  metadata: { name, namespace: "default" },
  spec: { clusterIP: "10.96.0.10", ports: [{ port: 80, targetPort: 8080, name: "http" }], ...spec },
});

const slice = (name: string, endpoints: EndpointSlice["endpoints"], ports = [{ name: "http", port: 8080 }]) =>
  ({
    metadata: { name: `${name}-1`, namespace: "default", labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    endpoints,
    ports,
  }) as EndpointSlice;

const at = (ip: string, nodeName: string, conditions = { ready: true }) => ({ addresses: [ip], nodeName, conditions });
const network = { podCidr: "10.244.1.0/24", podCidrs: ["10.244.1.0/24", "10.244.2.0/24"] };

describe("portRules", () => {
  it("takes ready endpoints of the port's name, sorted", () => {
    const slices = [
      slice("web", [at("10.244.2.3", "n2"), at("10.244.1.2", "n1"), at("10.244.1.9", "n1", { ready: false })]),
    ];
    const [rule] = portRules(
      [service("web", { type: "NodePort", ports: [{ port: 80, name: "http", nodePort: 30080 }] })],
      slices,
      "n1",
    );
    expect(rule).toEqual({
      key: "default/web:http",
      protocol: "tcp",
      clusterIP: "10.96.0.10",
      port: 80,
      nodePort: 30080,
      externalIPs: [],
      sticky: false,
      targets: [
        { ip: "10.244.1.2", port: 8080 },
        { ip: "10.244.2.3", port: 8080 },
      ],
    });
  });

  it("falls back to endpoints that end but still serve", () => {
    const ending = { ready: false, serving: true, terminating: true };
    const slices = [slice("web", [at("10.244.1.2", "n1", ending), at("10.244.1.3", "n1", { ready: false })])];
    expect(portRules([service("web", {})], slices, "n1")[0]!.targets.map((t) => t.ip)).toEqual(["10.244.1.2"]);
  });

  it("keeps outside traffic on the node when told to, and leaves headless Services out", () => {
    const slices = [slice("web", [at("10.244.1.2", "n1"), at("10.244.2.3", "n2")])];
    const local = service("web", { externalTrafficPolicy: "Local" });
    expect(portRules([local], slices, "n2")[0]!.localTargets).toEqual([{ ip: "10.244.2.3", port: 8080 }]);
    expect(portRules([service("web", { clusterIP: "None" })], slices, "n1")).toEqual([]);
  });
});

describe("renderTable", () => {
  const render = (services: Service[], slices: EndpointSlice[]): string =>
    renderTable(portRules(services, slices, "n1"), network);

  it("spreads over targets, refuses ports without any, and masquerades what leaves", () => {
    const web = service("web", { ports: [{ port: 80, name: "http", nodePort: 30080 }] });
    const none = service("none", { clusterIP: "10.96.0.11", ports: [{ port: 80, name: "http", nodePort: 30081 }] });
    const text = render([web, none], [slice("web", [at("10.244.1.2", "n1"), at("10.244.2.3", "n2")])]);
    expect(text).toMatchSnapshot();
  });

  it("keeps a client with one target when affinity says so", () => {
    const text = render(
      [service("web", { sessionAffinity: "ClientIP" })],
      [slice("web", [at("10.244.1.2", "n1"), at("10.244.2.3", "n2")])],
    );
    expect(text).toContain("dnat to jhash ip saddr mod 2 map { 0 : 10.244.1.2 . 8080, 1 : 10.244.2.3 . 8080 }");
  });

  it("is the same text for the same state in another order", () => {
    const services = [service("a", {}), service("b", { clusterIP: "10.96.0.12" })];
    const slices = [slice("a", [at("10.244.1.2", "n1")]), slice("b", [at("10.244.2.2", "n2"), at("10.244.1.3", "n1")])];
    expect(render(services, slices)).toBe(render(services.toReversed(), slices.toReversed()));
  });
});

describe("staleFlows", () => {
  it("names UDP targets that are gone, and no TCP ones", () => {
    const ports = [{ port: 53, name: "http", protocol: "UDP" }];
    const udpSlice = (ips: string[]) => ({
      ...slice(
        "dns",
        ips.map((ip) => at(ip, "n1")),
      ),
      ports: [{ name: "http", port: 53, protocol: "UDP" }],
    });
    const rules = (ips: string[]) => portRules([service("dns", { ports })], [udpSlice(ips)], "n1");
    const stale = staleFlows(rules(["10.244.1.2", "10.244.1.3"]), rules(["10.244.1.3"]));
    expect(stale.map(({ ip }) => ip)).toEqual(["10.244.1.2"]);
    const tcp = portRules([service("web", {})], [slice("web", [at("10.244.1.2", "n1")])], "n1");
    expect(staleFlows(tcp, [])).toEqual([]);
  });
});
