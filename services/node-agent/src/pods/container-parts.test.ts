import type { Container, Pod } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { hostsFile, dnsServersFor, dnsSettings, parseResolvConf } from "../volumes/pod-files.ts";
import { qosClassOf } from "../status/qos.ts";
import { containerConfig, mountsOf, sandboxConfig, subPathOf } from "./cri-config.ts";
import { environmentNeeds, environmentOf } from "./environment.ts";
import { expand } from "./expand.ts";
import { limitsOf } from "./limits.ts";

const container: Container = { name: "c", image: "img:1" };
const pod = (spec: Partial<Pod["spec"]> = {}): Pod => ({
  metadata: { name: "p", namespace: "ns", uid: "u", labels: { app: "x" }, annotations: { note: "n" } },
  spec: { containers: [container], nodeName: "n1", ...spec },
});
const sources = {
  nodeName: "n1",
  hostIP: "10.0.0.1",
  podIP: "10.244.1.2",
  services: new Map([["API_SERVICE_HOST", "10.96.0.1"]]),
  allocatable: { cpuMilli: 4000, memoryBytes: 1024 },
  config: (kind: string, name: string) =>
    name === "there" ? new Map([["key", Buffer.from(`${kind} value`)]]) : undefined,
};
const env = (change: Partial<Container>, of = pod()) =>
  Object.fromEntries(environmentOf(of, { ...container, ...change }, sources));

describe("expand", () => {
  it("replaces what is known, keeps what is not, and un-escapes", () => {
    const vars = new Map([["A", "1"]]);
    expect(expand("$(A) $(B) $$(A) $A $(A", vars)).toBe("1 $(B) $(A) $A $(A");
  });
});

describe("environmentOf", () => {
  it("reads fields, resources, config maps and secrets, in order", () => {
    const variables = [
      { name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
      { name: "APP", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
      { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
      { name: "MEM", valueFrom: { resourceFieldRef: { resource: "limits.memory", divisor: "1Mi" } } },
      { name: "CM", valueFrom: { configMapKeyRef: { name: "there", key: "key" } } },
      { name: "OPT", valueFrom: { secretKeyRef: { name: "gone", key: "key", optional: true } } },
      { name: "URL", value: "http://$(IP)/$(NAME)" },
      { name: "API", value: "https://$(API_SERVICE_HOST)" },
    ];
    const resources = { limits: { memory: "64Mi" } };
    const envFrom = [{ prefix: "S_", secretRef: { name: "there" } }];
    expect(env({ env: variables, resources, envFrom })).toEqual({
      S_key: "Secret value",
      NAME: "p",
      APP: "x",
      IP: "10.244.1.2",
      CPU: "4",
      MEM: "64",
      CM: "ConfigMap value",
      URL: "http://10.244.1.2/p",
      API: "https://10.96.0.1",
      API_SERVICE_HOST: "10.96.0.1",
    });
  });

  it("says by name what is missing", () => {
    const from = (name: string, key: string) => ({
      env: [{ name: "X", valueFrom: { configMapKeyRef: { name, key } } }],
    });
    expect(() => env(from("gone", "key"))).toThrow('configmap "gone" not found');
    expect(() => env(from("there", "nokey"))).toThrow("couldn't find key nokey in ConfigMap ns/there");
    expect(environmentNeeds({ ...container, ...from("a", "b") })).toEqual([{ kind: "ConfigMap", name: "a" }]);
  });
});

describe("limitsOf", () => {
  it("gives the cgroup the manifest's memory to the byte and its CPU as quota and shares", () => {
    const resources = { limits: { cpu: "200m", memory: "64Mi" }, requests: { cpu: "100m" } };
    expect(limitsOf({ ...container, resources })).toEqual({
      cpuPeriod: 100_000n,
      cpuQuota: 20_000n,
      cpuShares: 102n,
      memoryLimitInBytes: 67_108_864n,
    });
    expect(limitsOf(container)).toEqual({ cpuPeriod: 0n, cpuQuota: 0n, cpuShares: 2n, memoryLimitInBytes: 0n });
  });
  it("tells the quality of service", () => {
    const resources = { limits: { cpu: "1", memory: "1Gi" } };
    expect(qosClassOf(pod())).toBe("BestEffort");
    expect(qosClassOf(pod({ containers: [{ ...container, resources }] }))).toBe("Guaranteed");
    expect(qosClassOf(pod({ containers: [{ ...container, resources: { requests: { cpu: "1" } } }] }))).toBe(
      "Burstable",
    );
  });
});

describe("cri configuration", () => {
  const around = {
    cgroupParent: "/t/pods",
    logDirectory: "/logs/x",
    clusterDomain: "cluster.local",
    dns: { servers: [], searches: [], options: [] },
  };
  it("has no host name on the node's network, and maps host ports otherwise", () => {
    expect(sandboxConfig(pod({ hostNetwork: true }), 0, around).hostname).toBe("");
    const ports = [{ containerPort: 80, hostPort: 8080 }];
    const config = sandboxConfig(pod({ containers: [{ ...container, ports }] }), 2, around);
    expect(config.metadata).toEqual({ name: "p", uid: "u", namespace: "ns", attempt: 2 });
    expect(config.portMappings).toEqual([{ protocol: 0, containerPort: 80, hostPort: 8080, hostIp: "" }]);
  });

  it("takes the full name for host name where the manifest says so, if it is short enough", () => {
    const named = (subdomain: string, setHostnameAsFQDN: boolean) =>
      sandboxConfig(pod({ subdomain, setHostnameAsFQDN }), 0, around).hostname;
    expect(named("s", true)).toBe("p.s.ns.svc.cluster.local");
    expect(named("s", false)).toBe("p");
    expect(sandboxConfig(pod({ setHostnameAsFQDN: true }), 0, around).hostname).toBe("p");
    expect(() => named("s".repeat(63), true)).toThrow("64 characters is the max");
  });

  it("carries out the security context", () => {
    const securityContext = {
      runAsUser: 0,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"], add: ["CAP_NET_ADMIN"] },
    };
    const parts = {
      attempt: 0,
      crashStep: 0,
      imageRef: "i",
      env: new Map([["A", "1"]]),
      mounts: [],
      logPath: "c/0.log",
    };
    const config = containerConfig(pod(), { ...container, securityContext, args: ["$(A)"] }, parts);
    expect(config.args).toEqual(["1"]);
    expect(config.linux?.securityContext).toMatchObject({
      runAsUser: { value: 0n },
      readonlyRootfs: true,
      noNewPrivs: true,
      capabilities: { dropCapabilities: ["ALL"], addCapabilities: ["NET_ADMIN"] },
    });
  });

  it("refuses a sub path that leaves its volume", () => {
    const mount = (subPath: string) => ({ ...container, volumeMounts: [{ name: "v", mountPath: "/v", subPath }] });
    const subPath = (path: string) => subPathOf(mount(path).volumeMounts[0]!, new Map([["POD", "p"]]));
    expect(subPath("a/b")).toBe("a/b");
    expect(subPathOf({ name: "v", mountPath: "/v", subPathExpr: "x-$(POD)" }, new Map([["POD", "p"]]))).toBe("x-p");
    for (const path of ["a/../../etc", "/etc", ".."]) expect(() => subPath(path)).toThrow("leaves its volume");
  });

  it("mounts what its volumes are, and writes where neither volume nor mount forbid it", () => {
    const volumeMounts = [
      { name: "v", mountPath: "/v" },
      { name: "v", mountPath: "/part", subPath: "a" },
      { name: "v", mountPath: "/ro", readOnly: true },
      { name: "k", mountPath: "/k" },
    ];
    const volumes = new Map([
      ["v", { path: "/host/v", readOnly: false }],
      ["k", { path: "/host/k", readOnly: true }],
    ]);
    const mounts = mountsOf({ ...container, volumeMounts }, volumes, new Map([[1, "/host/sub"]]), {});
    expect(mounts.map((mount) => `${mount.hostPath} ${mount.containerPath} ${mount.readonly}`)).toEqual([
      "/host/v /v false",
      "/host/sub /part false",
      "/host/v /ro true",
      "/host/k /k true",
    ]);
  });
});

describe("pod files", () => {
  it("names the pod in its hosts file", () => {
    const hostAliases = [{ ip: "1.2.3.4", hostnames: ["a", "b"] }];
    const own = hostsFile(pod({ subdomain: "s", hostAliases }), "10.244.1.2", "cluster.local", "node's");
    expect(own).toMatch(/^# Kubernetes-managed hosts file\.\n/);
    expect(own).toContain("10.244.1.2\tp.s.ns.svc.cluster.local p\n");
    expect(own).toContain("# Entries added by HostAliases.\n1.2.3.4\ta\tb\n");
    const shared = hostsFile(pod({ hostNetwork: true, hostAliases }), "10.0.0.1", "cluster.local", "1.1.1.1 x\n");
    expect(shared).toContain("(host network).\n1.1.1.1 x\n");
    expect(shared).toContain("1.2.3.4\ta\tb\n");
    expect(shared).not.toContain("10.0.0.1");
  });

  it("resolves by this node first, then by the next Ready one", () => {
    const node = (name: string, address: string, status: string) => ({
      metadata: { name },
      status: { addresses: [{ type: "InternalIP", address }], conditions: [{ type: "Ready", status }] },
    });
    const nodes = [node("a", "10.0.0.1", "True"), node("b", "10.0.0.2", "True"), node("c", "10.0.0.3", "True")];
    expect(dnsServersFor("10.0.0.1", nodes)).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(dnsServersFor("10.0.0.3", nodes)).toEqual(["10.0.0.3", "10.0.0.1"]);
    expect(dnsServersFor("10.0.0.2", [node("a", "10.0.0.1", "Unknown")])).toEqual(["10.0.0.2"]);
  });

  it("follows the DNS policy", () => {
    const host = parseResolvConf("nameserver 1.1.1.1\nsearch lan\noptions edns0\n");
    expect(dnsSettings(pod(), ["10.0.0.1"], "cluster.local", host)).toEqual({
      servers: ["10.0.0.1"],
      searches: ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local"],
      options: ["ndots:5"],
    });
    expect(dnsSettings(pod({ dnsPolicy: "Default" }), ["10.0.0.1"], "cluster.local", host)).toEqual(host);
    const dnsConfig = { nameservers: ["9.9.9.9"], options: [{ name: "ndots", value: "1" }] };
    expect(dnsSettings(pod({ dnsConfig }), ["10.0.0.1"], "cluster.local", host)).toMatchObject({
      servers: ["10.0.0.1", "9.9.9.9"],
      options: ["ndots:1"],
    });
  });
});
