import type { EndpointSlice, Node, Pod, Service } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { type EndpointSliceAction, decideEndpointSlices } from "./decide.ts";
import { endpointGroups } from "./endpoints.ts";

function service(spec: Partial<Service["spec"]> = {}): Service {
  return {
    metadata: { name: "web", namespace: "default", uid: "s-1", labels: { team: "core" } },
    spec: { selector: { app: "web" }, ports: [{ name: "http", port: 80, targetPort: "web" }], ...spec },
  };
}

function pod(
  name: string,
  ip: string,
  change: { ready?: boolean; ending?: boolean; port?: number; phase?: string } = {},
): Pod {
  return {
    metadata: {
      name,
      namespace: "default",
      uid: `uid-${name}`,
      ...(change.ending ? { deletionTimestamp: "2026-11-22T10:00:00Z" } : {}),
    },
    spec: {
      nodeName: "n1",
      containers: [{ name: "c", ports: [{ name: "web", containerPort: change.port ?? 8080 }] }],
    },
    status: {
      phase: change.phase ?? "Running",
      podIP: ip,
      conditions: [{ type: "Ready", status: (change.ready ?? true) ? "True" : "False" }],
    },
  };
}

function run(svc: Service, pods: Pod[], slices: EndpointSlice[] = [], node?: Node): EndpointSliceAction[] {
  return decideEndpointSlices({
    service: svc,
    groups: endpointGroups({ service: svc, pods, nodeOf: () => node }),
    slices,
  });
}

/** What the API holds after the actions. */
function after(slices: EndpointSlice[], actions: EndpointSliceAction[]): EndpointSlice[] {
  const byName = new Map(slices.map((slice) => [slice.metadata.name, slice]));
  for (const { type, slice } of actions) {
    if (type === "delete") byName.delete(slice.metadata.name);
    else byName.set(slice.metadata.name, slice);
  }
  return [...byName.values()];
}

function only(actions: EndpointSliceAction[], type: string): EndpointSlice {
  expect(actions.map((one) => one.type)).toEqual([type]);
  return actions[0]!.slice;
}

describe("endpoints of a service", () => {
  it("become one slice with resolved named ports, labels and an owner", () => {
    const slice = only(run(service(), [pod("a", "10.0.0.1")]), "create");
    expect(slice.metadata.name).toMatch(/^web-[a-z0-9]{5}$/);
    expect(slice.metadata.labels).toEqual({
      team: "core",
      "kubernetes.io/service-name": "web",
      "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    });
    expect(slice.metadata.ownerReferences![0]).toMatchObject({ kind: "Service", uid: "s-1", controller: true });
    expect(slice).toMatchObject({
      addressType: "IPv4",
      ports: [{ name: "http", protocol: "TCP", port: 8080 }],
      endpoints: [
        {
          addresses: ["10.0.0.1"],
          conditions: { ready: true, serving: true, terminating: false },
          targetRef: { kind: "Pod", name: "a", namespace: "default", uid: "uid-a" },
          nodeName: "n1",
        },
      ],
    });
  });

  it.each([
    ["not ready", { ready: false }, {}, { ready: false, serving: false, terminating: false }],
    ["ending but serving", { ending: true }, {}, { ready: false, serving: true, terminating: true }],
    [
      "published anyway",
      { ready: false },
      { publishNotReadyAddresses: true },
      { ready: true, serving: false, terminating: false },
    ],
  ])("%s", (_name, change, spec, conditions) => {
    const slice = only(run(service(spec), [pod("a", "10.0.0.1", change)]), "create");
    expect(slice.endpoints![0]!.conditions).toEqual(conditions);
  });

  it("leave out pods without address and finished ones: an empty slice says so", () => {
    const slice = only(run(service(), [pod("a", ""), pod("b", "10.0.0.2", { phase: "Failed" })]), "create");
    expect([slice.endpoints, slice.ports]).toEqual([[], []]);
    expect(run(service(), [], [slice])).toEqual([]);
  });

  it("stop serving when their node is not heard", () => {
    const lost: Node = { metadata: { name: "n1" }, status: { conditions: [{ type: "Ready", status: "Unknown" }] } };
    const slice = only(run(service(), [pod("a", "10.0.0.1")], [], lost), "create");
    expect(slice.endpoints![0]!.conditions).toEqual({ ready: false, serving: false, terminating: false });
  });

  it("label headless services", () => {
    const slice = only(run(service({ clusterIP: "None" }), [pod("a", "10.0.0.1")]), "create");
    expect(slice.metadata.labels).toHaveProperty(["service.kubernetes.io/headless"], "");
  });

  it("use one slice for each set of port numbers", () => {
    const actions = run(service(), [pod("a", "10.0.0.1"), pod("b", "10.0.0.2", { port: 9090 })]);
    expect(actions.map((one) => [one.type, one.slice.ports![0]!.port])).toEqual([
      ["create", 8080],
      ["create", 9090],
    ]);
    expect(new Set(actions.map((one) => one.slice.metadata.name)).size).toBe(2);
  });
});

describe("changes", () => {
  const many = Array.from({ length: 250 }, (_, i) => pod(`p${i}`, `10.0.${Math.floor(i / 200)}.${(i % 200) + 1}`));

  it("fill slices of 100 and rewrite only the slice of the changed pod", () => {
    const slices = after([], run(service(), many));
    expect(slices.map((slice) => slice.endpoints!.length)).toEqual([100, 100, 50]);
    expect(run(service(), many, slices)).toEqual([]);
    const changed = many.map((one, i) => (i === 150 ? pod("p150", one.status!.podIP!, { ready: false }) : one));
    const update = only(run(service(), changed, slices), "update");
    expect(update.metadata.name).toBe(slices[1]!.metadata.name);
    const fewer = run(service(), many.slice(0, 200), slices);
    expect(only(fewer, "delete").metadata.name).toBe(slices[2]!.metadata.name);
  });

  it("turn the empty slice into the first real one and back", () => {
    const empty = after([], run(service(), []));
    const filled = only(run(service(), [pod("a", "10.0.0.1")], empty), "update");
    expect(filled.metadata.name).toBe(empty[0]!.metadata.name);
    const emptied = only(run(service(), [], [filled]), "update");
    expect([emptied.endpoints, emptied.ports]).toEqual([[], []]);
  });

  it("leave slices of other managers alone and avoid their names", () => {
    const created = only(run(service(), []), "create");
    const foreign = { ...created, metadata: { ...created.metadata, labels: {} } };
    const actions = run(service(), [pod("a", "10.0.0.1")], [foreign]);
    expect(only(actions, "create").metadata.name).not.toBe(foreign.metadata.name);
  });

  it("keep the resourceVersion of what they update", () => {
    const [slice] = after([], run(service(), [pod("a", "10.0.0.1")]));
    slice!.metadata.resourceVersion = "7";
    const update = only(run(service(), [pod("a", "10.0.0.1", { ready: false })], [slice!]), "update");
    expect(update.metadata.resourceVersion).toBe("7");
  });
});
