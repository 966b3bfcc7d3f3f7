/**
 * Goal: a stock Prometheus finds every part of a cluster under the names that dashboards expect, and the ten alerts fire in
 * their fault and in no other. Method: Debian's Prometheus, which is built without Kubernetes discovery, gets the targets that
 * `tri metrics prometheus-config --static` writes down, with the labels that discovery would give them, and the rules with
 * their durations scaled (thresholds as they are); thresholds and durations are checked by promtool. All ten faults are real:
 * crashing pods, a rollout that cannot end, a full file system, a killed node, a killed server, a frozen nats-server, syncs
 * that strace delays (one member: slow disk; two: slow API), and two frozen stores (no leader; the writes that go on
 * meanwhile fail).
 */
import { readFileSync, readdirSync } from "node:fs";
import { Resolver } from "node:dns/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type Any,
  type ClusterStatus,
  type NodeStatus,
  ROOT,
  applyText,
  ensureCluster,
  getJson,
  kubectl,
  livePods,
  isReady,
  status,
  triOk,
  tryKubectl,
} from "./cluster.ts";
import { expectThat, must, within } from "./process.ts";
import { fillVolume, freeze, slowSyncs } from "./prometheus/faults.ts";
import { Prometheus } from "./prometheus/prometheus.ts";
import { writeStream } from "./write-stream.ts";

const NS = "prom-e2e";
const HERE = join(import.meta.dirname, "prometheus");
const prometheus = new Prometheus();
const undo: (() => Promise<unknown>)[] = [];
let cluster: ClusterStatus;
/** The node that carries the volume, and Prometheus: it stays. */
let home: NodeStatus;

beforeAll(async () => {
  cluster = await ensureCluster();
  await Promise.all([
    kubectl("apply", "-f", join(ROOT, "deploy/prometheus/rbac.yaml")),
    kubectl("apply", "-f", join(HERE, "workloads.yaml")),
  ]);
  await within(60_000, "every workload runs", async () => {
    for (const app of ["web", "everywhere", "once", "data"]) {
      const pods = await livePods(`app=${app}`, NS);
      expectThat(pods.length === (app === "everywhere" ? cluster.nodes.length : 1), `${pods.length} pods of ${app}`);
      expectThat(pods.every(isReady), `${app} is not ready`);
    }
  });
  const { spec } = await getJson("pod", "data-0", "-n", NS);
  home = cluster.nodes.find(({ name }) => name === spec.nodeName)!;
  await prometheus.start(home);
});

afterAll(async () => {
  await prometheus.stop();
  await tryKubectl(["delete", "namespace", NS, "monitoring", "--wait=false"]);
  await tryKubectl(["delete", "clusterrole,clusterrolebinding", "prometheus"]);
});

/** Waits until exactly these alerts fire. `also` may: they follow from the same fault. */
async function fires(timeoutMs: number, expected: readonly string[], also: RegExp = /^$/): Promise<void> {
  await within(timeoutMs, `alerts: ${expected.join(", ") || "none"}`, async () => {
    const firing = (await prometheus.alerts("firing")).filter((one) => expected.includes(one) || !also.test(one));
    expectThat(
      isDeepStrictEqual(firing, expected.toSorted()),
      `firing: ${firing.join(", ") || "none"}; pending: ${(await prometheus.alerts("pending")).join(", ") || "none"}`,
    );
  });
}

describe("a stock Prometheus", () => {
  it("accepts configuration, rules and their unit tests", async () => {
    await must("promtool", ["test", "rules", join(ROOT, "deploy/prometheus/tests/alerts.test.yml")]);
    const discovering = await triOk("metrics", "prometheus-config", "--token-file", "/t", "--ca-file", "/c");
    expect(discovering).toContain("role: endpointslice");
    expect(discovering).not.toContain("/var/run/secrets");
  });

  it("finds every target, and all are up", async () => {
    const { servers, nodes } = cluster;
    const wanted: Record<string, number> = {
      ...{ apiserver: servers.length, etcd: servers.length, "kube-scheduler": servers.length },
      ...{ "kube-controller-manager": servers.length, "kube-state-metrics": servers.length, nats: servers.length },
      ...{ kubelet: 4 * nodes.length, "kube-proxy": nodes.length, coredns: nodes.length, "kubernetes-pods": 1 },
    };
    await within(30_000, "every target is up", async () => {
      const targets = await prometheus.targets();
      expect(targets.filter(({ health }) => health !== "up")).toEqual([]);
      const counts: Record<string, number> = {};
      for (const { job } of targets) counts[job] = (counts[job] ?? 0) + 1;
      expect(counts).toEqual(wanted);
    });
    expect((await prometheus.query("demo_orders_total"))[0]?.metric).toMatchObject({ namespace: NS, pod: "data-0" });
  });

  it("reads every series that the table promises", async () => {
    for (const { address } of cluster.nodes) {
      const resolver = new Resolver();
      resolver.setServers([address]);
      await resolver.resolve4("kubernetes.default.svc.cluster.local");
    }
    const rows = readFileSync(join(HERE, "expected-series.tsv"), "utf8").trim().split("\n").slice(1);
    expect(rows.length).toBeGreaterThan(150);
    await within(30_000, "no promised series is empty", async () => {
      const wrong = await Promise.all(
        rows.map(async (row) => {
          const [job = "", name = "", there, why = ""] = row.split("\t");
          if (there !== "present") return why.length > 10 ? [] : [`${name}: absent without a reason`];
          const [jobName, path] = job.split(" ");
          const selector = `${name}{job="${jobName}"${path === undefined ? "" : `,metrics_path="${path}"`}}`;
          return (await prometheus.query(`count(${selector})`)).length === 0 ? [selector] : [];
        }),
      );
      expect(wrong.flat()).toEqual([]);
    });
    // The elected server alone tells objects' series: none is there twice.
    expect(await prometheus.query("count by (__name__, namespace, pod) (kube_pod_info) > 1")).toEqual([]);
  });

  it("fills every panel of every dashboard", async () => {
    const dir = join(ROOT, "deploy/grafana");
    const boards = readdirSync(dir).filter((file) => file.endsWith(".json"));
    expect(boards).toHaveLength(4);
    await within(30_000, "no query is empty", async () => {
      const empty: string[] = [];
      for (const file of boards) {
        for (const panel of JSON.parse(readFileSync(join(dir, file), "utf8")).panels as Any[]) {
          for (const { expr } of panel.targets) {
            if ((await prometheus.query(expr)).length === 0) empty.push(`${file}: ${panel.title}: ${expr}`);
          }
        }
      }
      expect(empty).toEqual([]);
    });
  });

  it("tells of no alert while all is well", async () => {
    await fires(20_000, []);
  });
});

describe("the alerts", () => {
  // Also a fault that was not told, which would stand in the way of the next.
  afterEach(async () => {
    for (const one of undo.splice(0).toReversed()) await one();
  });

  it("tell each of six faults at once, and of what it is", async () => {
    const now = await status();
    // A killed server takes its NATS along: another one's freezes. Who leads stays, so that no other alert has a reason.
    const leaders = new Set([now.servers.find(({ leader }) => leader)?.name, now.elections["controllers"]]);
    const [killed, ...others] = now.servers.filter(({ name }) => !leaders.has(name));
    const frozen = others[0] ?? now.servers.find(({ name }) => name !== killed!.name)!;
    const pvc = await getJson("pvc", "disk-data-0", "-n", NS);
    const volume = await getJson("pv", pvc.spec.volumeName);
    const node = now.nodes.find(({ name }) => name !== home.name)!.name;
    undo.push(await fillVolume(volume.spec.local.path));
    undo.push(await freeze(frozen.pids.nats));
    await applyText(faulty(home.name));
    undo.push(() => kubectl("delete", "-n", NS, "pod/crashing", "deployment/stuck", "--wait=false"));
    undo.push(() => Promise.all([triOk("host", "start", killed!.name), triOk("host", "start", node)]));
    await Promise.all([triOk("host", "kill", killed!.name), triOk("host", "kill", node)]);
    // A machine that is taken needs the most of a minute until all of them are seen: 18 s when it is free.
    await fires(120_000, [
      "DeploymentStuck stuck",
      `NATSDown ${frozen.address}:7777`,
      `NodeNotReady ${node}`,
      "PodCrashLooping crashing",
      `StoreMemberDown ${killed!.address}:2382`,
      "VolumeFull disk-data-0",
    ]);
  }, 240_000);

  it("tell a slow disk, and that the API is slow once two disks are", async () => {
    const followers = (await status()).servers.filter(({ leader }) => !leader);
    const writes = await writeStream(NS);
    undo.push(() => writes.stop());
    const [one, two] = followers;
    undo.push(await slowSyncs(one!.pids.store, 0.6));
    // Whoever asks that member's own apiserver waits for it.
    await fires(60_000, [`StoreFsyncSlow ${one!.address}:2382`], /^APILatency/);
    await undo.pop()!();
    for (const { pids } of [one!, two!]) undo.push(await slowSyncs(pids.store, 1.5));
    const slow = [one!, two!].map(({ address }) => `StoreFsyncSlow ${address}:2382`);
    await fires(40_000, [...slow, "APILatency POST"], /^APILatency/);
  });

  it("tell that there is no leader, and that the API answers with errors", async () => {
    const servers = (await status()).servers;
    const [left, ...stopped] = servers.toSorted((a, b) => Number(b.leader) - Number(a.leader));
    // Each waits long for its error: several, so that there are soon enough of them.
    const writes = await Promise.all(Array.from({ length: 8 }, () => writeStream(NS)));
    undo.push(() => Promise.all(writes.map((one) => one.stop())));
    for (const { pids } of stopped) undo.push(await freeze(pids.store));
    await fires(
      60_000,
      [
        "APIErrors",
        `StoreNoLeader ${left!.address}:2382`,
        ...stopped.map(({ address }) => `StoreMemberDown ${address}:2382`),
      ],
      /^APILatency/,
    );
  });
});

/** A pod that ends as soon as it has begun, on a node that stays, and a rollout whose pods no node has room for. */
const faulty = (node: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: crashing, namespace: ${NS} }
spec:
  nodeSelector: { kubernetes.io/hostname: ${node} }
  containers: [{ name: c, image: "trireme.local/hello:1", command: [busybox, "false"] }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: stuck, namespace: ${NS} }
spec:
  replicas: 1
  progressDeadlineSeconds: 2
  selector: { matchLabels: { app: stuck } }
  template:
    metadata: { labels: { app: stuck } }
    spec:
      containers: [{ name: c, image: "trireme.local/hello:1", resources: { requests: { cpu: "10000" } } }]
`;
