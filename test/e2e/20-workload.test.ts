/**
 * Goal: pods, Services and probes do what a manifest says. Method: one deployment of three pods on three nodes, looked at
 * from every side: from outside, from a pod, from a node host, from the kernel's cgroups.
 */
import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Any,
  applyText,
  cachedStatus,
  cgroupOf,
  containerTask,
  ensureCluster,
  freshNamespace,
  getJson,
  inHost,
  isReady,
  kubectl,
  leaveNamespace,
  livePods,
} from "./cluster.ts";
import { fetchText } from "./http.ts";
import { expectThat, must, within } from "./process.ts";

const NS = "workload";
const NODE_PORT = 30123;
const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: echo, namespace: ${NS} }
spec:
  replicas: 3
  selector: { matchLabels: { app: echo } }
  template:
    metadata: { labels: { app: echo } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: echo
          image: trireme.local/hello:1
          env: [{ name: COLOUR, value: green }]
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /readyz, port: http }, periodSeconds: 1, failureThreshold: 1 }
          livenessProbe: { httpGet: { path: /livez, port: http }, periodSeconds: 1, failureThreshold: 2 }
          resources: { requests: { cpu: 10m, memory: 16Mi }, limits: { cpu: 500m, memory: 48Mi } }
---
apiVersion: v1
kind: Service
metadata: { name: echo, namespace: ${NS} }
spec:
  type: NodePort
  selector: { app: echo }
  ports: [{ name: http, port: 80, targetPort: http, nodePort: ${NODE_PORT} }]
`;

const CONFIG = `
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: ${NS} }
data: { colour: blue }
---
apiVersion: v1
kind: Secret
metadata: { name: keys, namespace: ${NS} }
stringData: { password: hush }
---
apiVersion: v1
kind: Pod
metadata: { name: reader, namespace: ${NS} }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: c
      image: trireme.local/hello:1
      env:
        - { name: COLOUR, valueFrom: { configMapKeyRef: { name: settings, key: colour } } }
        - { name: PASSWORD, valueFrom: { secretKeyRef: { name: keys, key: password } } }
      volumeMounts: [{ name: s, mountPath: /etc/s }, { name: k, mountPath: /etc/k }]
  volumes:
    - { name: s, configMap: { name: settings } }
    - { name: k, secret: { secretName: keys } }
`;

/** Runs a command inside a pod's container namespaces from its node: independent of the product's own exec. */
async function inPod(pod: Any, ...command: string[]): Promise<string> {
  const { pid } = await containerTask(pod);
  return must("nsenter", ["-t", String(pid), "-n", "-m", "-u", "--", ...command], { timeoutMs: 10_000 });
}

async function hits(count: number, url: string): Promise<Map<string, number>> {
  const seen = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const who = (await fetchText(url)).trim();
    seen.set(who, (seen.get(who) ?? 0) + 1);
  }
  return seen;
}

describe("a workload", () => {
  const url = `http://127.0.0.1:${NODE_PORT}/`;
  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
    await applyText(MANIFEST);
    await kubectl("rollout", "status", "deployment/echo", "-n", NS, "--timeout=60s");
  });
  afterAll(async () => {
    await leaveNamespace(NS);
  });

  it("runs three pods on three nodes", async () => {
    const pods = await livePods("app=echo", NS);
    expect(pods.map((pod) => pod.status.phase)).toEqual(["Running", "Running", "Running"]);
    expect(new Set(pods.map((pod) => pod.spec.nodeName)).size).toBe(3);
  });

  it("reaches all three pods with 60 requests through the Service", async () => {
    await within(10_000, "the local NodePort answers", () => fetchText(url));
    const seen = await hits(60, url);
    const names = (await livePods("app=echo", NS)).map((pod) => pod.metadata.name);
    expect([...seen.keys()].toSorted()).toEqual(names.toSorted());
  });

  it("answers by DNS name and by cluster IP, from a pod and from a node host", async () => {
    const [pod] = await livePods("app=echo", NS);
    const name = `echo.${NS}.svc.cluster.local`;
    for (const host of ["echo", `echo.${NS}`, name]) {
      expect(await inPod(pod, "busybox", "timeout", "3", "wget", "-qO-", `http://${host}/`), host).toMatch(/^echo-/);
    }
    const { clusterIP } = (await getJson("service", "echo", "-n", NS)).spec;
    const { nodes } = await cachedStatus();
    for (const node of nodes) {
      const get = ["3", "busybox", "wget", "-qO-"];
      expect((await inHost(node.netns, "timeout", [...get, `http://${clusterIP}/`])).stdout, node.name).toMatch(
        /^echo-/,
      );
      expect((await inHost(node.netns, "timeout", [...get, `http://${node.address}:${NODE_PORT}/`])).stdout).toMatch(
        /^echo-/,
      );
      const looked = await inHost(node.netns, "busybox", ["nslookup", name, node.address]);
      expect(looked.stdout, node.name).toContain(clusterIP);
    }
  });

  it("holds the memory limit of the manifest in the kernel", async () => {
    const [pod] = await livePods("app=echo", NS);
    const { pid } = await containerTask(pod);
    const dir = cgroupOf(pid);
    const path = ["memory.limit_in_bytes", "memory.max"].map((file) => `${dir}/${file}`).find(existsSync)!;
    expect(Number(readFileSync(path, "utf8"))).toBe(48 * 1024 * 1024);
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).toContain("COLOUR=green");
  });

  it("sends no request to a pod that fails readiness", async () => {
    const [pod] = await livePods("app=echo", NS);
    const name = pod.metadata.name;
    await inPod(pod, "busybox", "rm", "/www/readyz");
    await within(10_000, "the pod is not Ready", async () => {
      expectThat(!isReady(await getJson("pod", name, "-n", NS)), "still Ready");
    });
    await within(3_000, "the pod is out of rotation", async () => {
      expectThat(!(await hits(12, url)).has(name), "still answering");
    });
    expect((await hits(60, url)).has(name)).toBe(false);
    expect((await getJson("pod", name, "-n", NS)).status.containerStatuses[0].restartCount).toBe(0);
    await inPod(pod, "busybox", "touch", "/www/readyz");
    await within(10_000, "the pod is Ready again", async () => {
      expectThat(isReady(await getJson("pod", name, "-n", NS)), "not Ready");
    });
  });

  it("restarts a container that fails liveness", async () => {
    const [pod] = await livePods("app=echo", NS);
    await inPod(pod, "busybox", "rm", "/www/livez");
    await within(20_000, "restarted and Ready", async () => {
      const now = await getJson("pod", pod.metadata.name, "-n", NS);
      expectThat(now.status.containerStatuses[0].restartCount === 1, "not restarted");
      expectThat(isReady(now), "not Ready");
    });
  });

  it("rolls to a new image with never fewer than N-1 ready", async () => {
    let least = Infinity;
    let watching = true;
    const watch = (async () => {
      while (watching) {
        const ready = (await getJson("pods", "-n", NS, "-l", "app=echo")).items.filter(isReady).length;
        least = Math.min(least, ready);
      }
    })();
    await kubectl("set", "image", "deployment/echo", "echo=trireme.local/hello:2", "-n", NS);
    await kubectl("rollout", "status", "deployment/echo", "-n", NS, "--timeout=90s");
    watching = false;
    await watch;
    expect(least).toBeGreaterThanOrEqual(2);
    const pods = await livePods("app=echo", NS);
    expect(pods.map((pod) => pod.spec.containers[0].image)).toEqual(Array(3).fill("trireme.local/hello:2"));
  });

  it("hands a ConfigMap and a Secret over as environment and as files", async () => {
    await applyText(CONFIG);
    await kubectl("wait", "--for=condition=Ready", "pod/reader", "-n", NS, "--timeout=20s");
    const told = "echo $COLOUR $PASSWORD $(cat /etc/s/colour) $(cat /etc/k/password)";
    expect(await kubectl("exec", "reader", "-n", NS, "--", "sh", "-c", told)).toBe("blue hush blue hush\n");
    await kubectl("delete", "pod", "reader", "-n", NS);
  });

  it("removes ReplicaSet and pods with the Deployment", async () => {
    await kubectl("delete", "deployment", "echo", "-n", NS);
    await within(20_000, "dependents gone", async () => {
      const left = (await getJson("replicasets,pods", "-n", NS)).items;
      expectThat(left.length === 0, `${left.length} left`);
    });
  });
});
