/**
 * Goal: the real kubectl works unchanged. Method: each verb of a first session typed once, its output matched, in a
 * namespace of its own.
 */
import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  applyText,
  cachedStatus,
  ensureCluster,
  getJson,
  kubeconfig,
  kubectl,
  kubectlPath,
  leaveNamespace,
  livePods,
  triOk,
  tryKubectl,
} from "./cluster.ts";
import { expectThat, within } from "./process.ts";

const NS = "verbs";
const deployment = (replicas: number): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: ${NS}, labels: { app: web } }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: trireme.local/hello:1
          ports: [{ containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /, port: 8080 }, periodSeconds: 1 }
          resources: { requests: { cpu: 10m, memory: 16Mi }, limits: { memory: 64Mi } }
`;

describe("kubectl", () => {
  beforeAll(async () => {
    await ensureCluster();
    await tryKubectl(["delete", "namespace", NS, "--ignore-not-found", "--timeout=60s"]);
  });
  afterAll(async () => {
    await leaveNamespace(NS);
  });

  it("finds its cluster by the file that tri names", async () => {
    expect((await triOk("kubeconfig")).trim()).toBe((await cachedStatus()).kubeconfig);
  });

  it("create namespace, configmap, deployment", async () => {
    expect(await kubectl("create", "namespace", NS)).toBe(`namespace/${NS} created\n`);
    expect(await kubectl("create", "configmap", "settings", "--from-literal=colour=blue", "-n", NS)).toBe(
      "configmap/settings created\n",
    );
    expect((await getJson("configmap", "settings", "-n", NS)).data).toEqual({ colour: "blue" });
    expect(await kubectl("create", "deployment", "made", "--image=trireme.local/hello:1", "-n", NS)).toBe(
      "deployment.apps/made created\n",
    );
    await within(30_000, "the created deployment's pod runs", async () => {
      expectThat((await livePods("app=made", NS))[0]?.status?.phase === "Running", "not Running");
    });
    expect(await kubectl("delete", "deployment", "made", "-n", NS)).toContain('deployment.apps "made" deleted');
  });

  it("apply, rollout status, get", async () => {
    expect(await applyText(deployment(2))).toBe("deployment.apps/web created\n");
    expect(await kubectl("rollout", "status", "deployment/web", "-n", NS, "--timeout=60s")).toContain(
      'deployment "web" successfully rolled out',
    );
    expect(await applyText(deployment(2))).toBe("deployment.apps/web unchanged\n");
    expect(await kubectl("get", "deployment", "web", "-n", NS)).toMatch(
      /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +2\/2 +2 +2 +\d+s\n$/,
    );
    expect(await kubectl("get", "pods", "-n", NS, "-l", "app=web", "-o", "wide")).toMatch(
      /NAME +READY +STATUS +RESTARTS +AGE +IP +NODE .*\nweb-[a-z0-9]+-[a-z0-9]+ +1\/1 +Running +0 /,
    );
    for (const kind of ["nodes", "services", "endpointslices", "replicasets", "secrets", "serviceaccounts", "events"]) {
      expect((await tryKubectl(["get", kind, "-A"])).code, kind).toBe(0);
    }
    expect(await kubectl("get", "nodes")).toMatch(/node1 +Ready/);
    expect(await kubectl("get", "leases", "-n", "kube-node-lease")).toMatch(/node1/);
  });

  it("describe", async () => {
    const text = await kubectl("describe", "deployment", "web", "-n", NS);
    expect(text).toMatch(/Replicas: +2 desired \| 2 updated \| 2 total \| 2 available/);
    expect(text).toContain("ScalingReplicaSet");
    const pod = (await livePods("app=web", NS))[0].metadata.name;
    const podText = await kubectl("describe", "pod", pod, "-n", NS);
    expect(podText).toMatch(/Status: +Running/);
    expect(podText).toContain("Scheduled");
    expect(await kubectl("describe", "node", "node1")).toMatch(/Conditions:/);
  });

  it("logs", async () => {
    const pod = (await livePods("app=web", NS))[0].metadata.name;
    expect((await kubectl("logs", pod, "-n", NS)).length).toBeGreaterThan(0);
    expect((await kubectl("logs", pod, "-n", NS, "--tail=1")).split("\n").filter(Boolean)).toHaveLength(1);
    const missing = await tryKubectl(["logs", "no-such-pod", "-n", NS]);
    expect(missing.stderr).toContain('pods "no-such-pod" not found');
  });

  it("get -w shows a scale as it happens", async () => {
    const env = { ...process.env, KUBECONFIG: await kubeconfig() };
    const watch = spawn(await kubectlPath(), ["get", "deployment", "web", "-n", NS, "-w"], { env });
    let seen = "";
    watch.stdout.setEncoding("utf8").on("data", (text: string) => (seen += text));
    try {
      await within(10_000, "the watch shows the present", () => expectThat(/web +2\/2/.test(seen), seen));
      expect(await kubectl("scale", "deployment", "web", "-n", NS, "--replicas=3")).toBe(
        "deployment.apps/web scaled\n",
      );
      await within(30_000, "the watch shows three", () => expectThat(/web +3\/3/.test(seen), seen));
    } finally {
      watch.kill();
    }
  });

  it("set image rolls out, and a wrong one is refused by name", async () => {
    expect(await kubectl("set", "image", "deployment/web", "web=trireme.local/hello:2", "-n", NS)).toBe(
      "deployment.apps/web image updated\n",
    );
    await kubectl("rollout", "status", "deployment/web", "-n", NS, "--timeout=60s");
    const images = (await livePods("app=web", NS)).map((pod) => pod.spec.containers[0].image);
    expect(new Set(images)).toEqual(new Set(["trireme.local/hello:2"]));
    const wrong = await tryKubectl(["set", "image", "deployment/web", "nope=x", "-n", NS]);
    expect(wrong.code).not.toBe(0);
    expect(wrong.stderr).toContain('unable to find container named "nope"');
  });

  it("delete removes the ReplicaSet and the pods too", async () => {
    expect(await kubectl("delete", "deployment", "web", "-n", NS)).toContain('deployment.apps "web" deleted');
    await within(20_000, "dependents gone", async () => {
      const left = (await getJson("replicasets,pods", "-n", NS, "-l", "app=web")).items;
      expectThat(left.length === 0, `${left.length} left`);
    });
  });
});
