/**
 * Goal: the workload kinds beside Deployments do what they promise. Method: each kind once, made as a first session
 * makes it, and looked at until it has done its work.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Any,
  applyText,
  cachedStatus,
  ensureCluster,
  freshNamespace,
  getJson,
  inHost,
  kubectl,
  livePods,
  tryKubectl,
} from "./cluster.ts";
import { expectThat, within } from "./process.ts";

const NS = "kinds";

describe("workloads beside Deployments:", () => {
  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
  });
  afterAll(async () => {
    const gone = await tryKubectl(["delete", "namespace", NS, "--ignore-not-found", "--timeout=60s"]);
    expect(gone.code).toBe(0);
  });

  it("a Job made by kubectl runs to its end and is waited for", async () => {
    await kubectl("create", "job", "once", "-n", NS, "--image=trireme.local/hello:1", "--", "busybox", "true");
    await kubectl("wait", "--for=condition=complete", "job/once", "-n", NS, "--timeout=20s");
    expect(await kubectl("get", "jobs", "-n", NS)).toMatch(
      /NAME +STATUS +COMPLETIONS +DURATION +AGE\nonce +Complete +1\/1/,
    );
    const { items } = await getJson("pods", "-n", NS, "-l", "job-name=once");
    expect(items.map((pod: { status: { phase: string } }) => pod.status.phase)).toEqual(["Succeeded"]);
    await kubectl("delete", "job", "once", "-n", NS);
    await within(10_000, "its pods go with it", async () => {
      expectThat((await getJson("pods", "-n", NS, "-l", "job-name=once")).items.length === 0, "still there");
    });
  });

  it("a Job fails beyond its backoff limit, runs indexes side by side, and goes after its time to live", async () => {
    const job = (name: string, spec: string, script: string): string => `
apiVersion: batch/v1
kind: Job
metadata: { name: ${name}, namespace: ${NS} }
spec:
  ${spec}
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: c, image: "trireme.local/hello:1", command: [busybox, sh, -c, '${script}'] }]
---`;
    await applyText(
      job("broken", "backoffLimit: 0", "exit 3") +
        job("many", "completions: 4\n  parallelism: 2\n  completionMode: Indexed", "test $JOB_COMPLETION_INDEX -lt 4") +
        job("brief", "ttlSecondsAfterFinished: 1", "true"),
    );
    await kubectl("wait", "--for=condition=failed", "job/broken", "-n", NS, "--timeout=20s");
    expect((await getJson("job", "broken", "-n", NS)).status).toMatchObject({ failed: 1 });
    await kubectl("wait", "--for=condition=complete", "job/many", "-n", NS, "--timeout=30s");
    expect((await getJson("job", "many", "-n", NS)).status).toMatchObject({ succeeded: 4, completedIndexes: "0-3" });
    await kubectl("wait", "--for=delete", "job/brief", "-n", NS, "--timeout=20s");
  });

  it("a DaemonSet runs one pod on each node and replaces them node by node", async () => {
    await applyText(`
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: agent, namespace: ${NS} }
spec:
  selector: { matchLabels: { app: agent } }
  template:
    metadata: { labels: { app: agent } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: c, image: "trireme.local/hello:1" }]
`);
    await kubectl("rollout", "status", "daemonset/agent", "-n", NS, "--timeout=20s");
    const nodes = (await getJson("nodes")).items.map((node: Any) => node.metadata.name);
    const places = async (): Promise<string[]> =>
      (await livePods("app=agent", NS)).map((pod) => pod.spec.nodeName).toSorted();
    expect(await places()).toEqual(nodes.toSorted());
    const before = (await livePods("app=agent", NS)).map((pod) => pod.metadata.uid);
    await kubectl("set", "env", "daemonset/agent", "-n", NS, "COLOUR=green");
    await kubectl("rollout", "status", "daemonset/agent", "-n", NS, "--timeout=30s");
    expect(await places()).toEqual(nodes.toSorted());
    for (const pod of await livePods("app=agent", NS)) expect(before).not.toContain(pod.metadata.uid);
    const count = nodes.length;
    expect(await kubectl("get", "ds", "-n", NS)).toMatch(new RegExp(`\nagent( +${count}){5} +<none>`));
  });

  it("a StatefulSet keeps names: in order, in DNS, and when a pod comes back", async () => {
    await applyText(`
apiVersion: v1
kind: Service
metadata: { name: db, namespace: ${NS} }
spec: { clusterIP: None, selector: { app: db }, ports: [{ port: 8080 }] }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db, namespace: ${NS} }
spec:
  replicas: 2
  serviceName: db
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: c, image: "trireme.local/hello:1" }]
`);
    await kubectl("rollout", "status", "statefulset/db", "-n", NS, "--timeout=20s");
    const names = async (): Promise<string[]> =>
      (await livePods("app=db", NS)).map((pod) => pod.metadata.name).toSorted();
    expect(await names()).toEqual(["db-0", "db-1"]);
    const [node] = (await cachedStatus()).nodes;
    await within(5_000, "each pod has its name in DNS", async () => {
      const { status, spec } = await getJson("pod", "db-1", "-n", NS);
      const name = `${spec.hostname}.${spec.subdomain}.${NS}.svc.cluster.local`;
      const { stdout } = await inHost(node!.netns, "busybox", ["nslookup", name, node!.address]);
      expectThat(stdout.includes(status.podIP), stdout);
    });
    const { uid } = (await getJson("pod", "db-0", "-n", NS)).metadata;
    await kubectl("delete", "pod", "db-0", "-n", NS);
    await kubectl("set", "env", "statefulset/db", "-n", NS, "COLOUR=green");
    await kubectl("rollout", "status", "statefulset/db", "-n", NS, "--timeout=20s");
    expect(await names()).toEqual(["db-0", "db-1"]);
    expect((await getJson("pod", "db-0", "-n", NS)).metadata.uid).not.toBe(uid);
    await kubectl("scale", "statefulset/db", "-n", NS, "--replicas=1");
    await within(10_000, "the last pod goes", async () => {
      expectThat((await names()).join() === "db-0", "still two");
    });
    expect(await kubectl("get", "sts", "-n", NS)).toMatch(/NAME +READY +AGE\ndb +1\/1/);
  });
});
