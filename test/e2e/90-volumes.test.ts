/**
 * Goal: data outlives pods where a manifest asks for it, and what a pod reads of the cluster's configuration stays true.
 * Method: claims, sets, Secrets and ConfigMaps as a user writes them; looked at through kubectl, and on the nodes: in the
 * containers' mount tables and environments, and in the directories that volumes are.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Any,
  applyText,
  containerTask,
  ensureCluster,
  freshNamespace,
  getJson,
  kubectl,
  leaveNamespace,
  triOk,
  tryKubectl,
} from "./cluster.ts";
import { within } from "./process.ts";

const NS = "volumes";
const IMAGE = "trireme.local/hello:1";
const QUICK = "terminationGracePeriodSeconds: 0";
/** Longer than any pause here: these pods stay on their node while it is away. */
const STAYS = `tolerations:
    - { key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 600 }
    - { key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 600 }`;

const claim = (name: string): string => `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: ${name}, namespace: ${NS} }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 64Mi } } }
---`;

const writer = (name: string, of: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${NS} }
spec:
  ${QUICK}
  securityContext: { fsGroup: 2000 }
  containers:
    - name: c
      image: ${IMAGE}
      volumeMounts:
        - { name: data, mountPath: /data }
        - { name: data, mountPath: /part, subPathExpr: parts/$(POD) }
      env: [{ name: POD, valueFrom: { fieldRef: { fieldPath: metadata.name } } }]
  volumes: [{ name: data, persistentVolumeClaim: { claimName: ${of} } }]
---`;

const SET = `
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db, namespace: ${NS} }
spec:
  replicas: 2
  serviceName: db
  podManagementPolicy: Parallel
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec:
      ${QUICK}
      containers: [{ name: c, image: ${IMAGE}, volumeMounts: [{ name: data, mountPath: /data }] }]
  volumeClaimTemplates:
    - metadata: { name: data }
      spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 64Mi } } }
---`;

const config = (colour: string, password: string): string => `
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: ${NS} }
data: { colour: ${colour} }
---
apiVersion: v1
kind: Secret
metadata: { name: keys, namespace: ${NS} }
stringData: { password: ${password} }
---`;

const READER = `
apiVersion: v1
kind: Pod
metadata: { name: reader, namespace: ${NS}, labels: { tier: first } }
spec:
  ${QUICK}
  ${STAYS}
  containers:
    - name: c
      image: ${IMAGE}
      env: [{ name: PASSWORD, valueFrom: { secretKeyRef: { name: keys, key: password } } }]
      volumeMounts:
        - { name: k, mountPath: /etc/k }
        - { name: s, mountPath: /etc/s }
        - { name: s, mountPath: /etc/one-colour, subPath: colour }
        - { name: all, mountPath: /etc/all }
        - { name: memory, mountPath: /scratch }
  volumes:
    - { name: k, secret: { secretName: keys, defaultMode: 0400 } }
    - { name: s, configMap: { name: settings } }
    - { name: memory, emptyDir: { medium: Memory, sizeLimit: 8Mi } }
    - name: all
      projected:
        sources:
          - { secret: { name: keys, items: [{ key: password, path: deep/password }] } }
          - { configMap: { name: absent, optional: true } }
          - { downwardAPI: { items: [{ path: labels, fieldRef: { fieldPath: metadata.labels } }] } }
---`;

const WAITER = `
apiVersion: v1
kind: Pod
metadata: { name: waiter, namespace: ${NS} }
spec:
  ${QUICK}
  containers: [{ name: c, image: ${IMAGE}, volumeMounts: [{ name: l, mountPath: /etc/l }] }]
  volumes: [{ name: l, configMap: { name: late } }]
---
apiVersion: v1
kind: Pod
metadata: { name: lost, namespace: ${NS} }
spec:
  ${QUICK}
  containers: [{ name: c, image: ${IMAGE} }]
  volumes: [{ name: data, persistentVolumeClaim: { claimName: nowhere } }]
`;

const ready = (...pods: string[]): Promise<string> =>
  kubectl("wait", "-n", NS, "--for=condition=Ready", "--timeout=40s", ...pods.map((pod) => `pod/${pod}`));
const sh = (pod: string, script: string): Promise<string> => kubectl("exec", "-n", NS, pod, "--", "sh", "-ec", script);
const get = (kind: string, name: string): Promise<Any> => getJson(kind, name, "-n", NS);
const remove = (pod: string): Promise<string> => kubectl("delete", "pod", pod, "-n", NS, "--timeout=20s");
const scheduled = (pod: Any): Any => pod.status.conditions?.find((one: Any) => one.type === "PodScheduled");

/** A file as a container sees it, without a process in it. */
async function inContainer(pod: string): Promise<(path: string) => string> {
  const { pid } = await containerTask(await get("pod", pod));
  return (path) => readFileSync(`/proc/${pid}/${path}`, "utf8");
}

describe("volumes", () => {
  let cordoned = "";
  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
    await applyText([config("blue", "first"), claim("data"), writer("writer", "data"), SET, READER, WAITER].join("\n"));
  });
  afterAll(async () => {
    if (cordoned !== "") await tryKubectl(["uncordon", cordoned]);
    await leaveNamespace(NS);
  });

  it("has a default class, and says in kubectl's columns what is bound to what", async () => {
    await ready("writer");
    expect(await kubectl("get", "sc")).toMatch(
      /^local-path \(default\) +trireme\.dev\/local-path +Delete +WaitForFirstConsumer +false /m,
    );
    const { volumeName } = (await get("pvc", "data")).spec;
    expect(volumeName).toMatch(/^pvc-[0-9a-f-]{36}$/);
    expect(await kubectl("get", "pvc", "data", "-n", NS)).toMatch(
      new RegExp(`^data +Bound +${volumeName} +64Mi +RWO +local-path +<unset> `, "m"),
    );
    await within(5_000, "the volume says that it is bound", async () => {
      const row = await kubectl("get", "pv", volumeName);
      expect(row).toMatch(
        new RegExp(`^${volumeName} +64Mi +RWO +Delete +Bound +${NS}/data +local-path +<unset> `, "m"),
      );
    });
    const events = await kubectl("events", "-n", NS, "--for", "pvc/data");
    expect(events).toContain("waiting for first consumer to be created before binding");
    expect(events).toContain(`Successfully provisioned volume ${volumeName}`);
  });

  it("keeps what a pod wrote, for the next pod, on the same node", async () => {
    await sh("writer", "echo kept >/data/file; echo part >/part/file");
    expect(await sh("writer", "stat -c '%g %a' /data /data/file /data/parts/writer; cat /data/parts/writer/file")).toBe(
      "2000 2777\n2000 644\n2000 2777\npart\n",
    );
    const { nodeName } = (await get("pod", "writer")).spec;
    await remove("writer");
    await applyText(writer("second", "data"));
    await ready("second");
    expect((await get("pod", "second")).spec.nodeName).toBe(nodeName);
    expect(await sh("second", "cat /data/file /data/parts/writer/file")).toBe("kept\npart\n");
  });

  it("says why a pod waits whose volume is on a cordoned node, and runs it there afterwards", async () => {
    const { nodeName } = (await get("pod", "second")).spec;
    cordoned = nodeName;
    await kubectl("cordon", nodeName);
    await remove("second");
    await applyText(writer("third", "data"));
    const why = "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) had volume node affinity conflict.";
    await within(10_000, "the pod says why it waits", async () => {
      const condition = scheduled(await get("pod", "third"));
      expect(condition).toMatchObject({ status: "False", reason: "Unschedulable", message: why });
    });
    await within(5_000, "an event says so too", async () => {
      expect(await kubectl("describe", "pod", "third", "-n", NS)).toMatch(/FailedScheduling .*volume node affinity/);
    });
    await kubectl("uncordon", nodeName);
    cordoned = "";
    await ready("third");
    expect(await sh("third", "cat /data/file")).toBe("kept\n");
    expect(scheduled(await get("pod", "lost"))?.message).toBe(
      '0/3 nodes are available: persistentvolumeclaim "nowhere" not found.',
    );
  });

  it("gives each pod of a StatefulSet its own claim, which outlives scaling", async () => {
    await ready("db-0", "db-1");
    for (const pod of ["db-0", "db-1"]) await sh(pod, `echo ${pod} >/data/me`);
    await kubectl("scale", "sts/db", "-n", NS, "--replicas=1");
    await kubectl("wait", "-n", NS, "--for=delete", "pod/db-1", "--timeout=20s");
    expect((await get("pvc", "data-db-1")).status.phase).toBe("Bound");
    await kubectl("scale", "sts/db", "-n", NS, "--replicas=2");
    await within(20_000, "db-1 is back", () => get("pod", "db-1"));
    await ready("db-1");
    expect(await sh("db-1", "cat /data/me")).toBe("db-1\n");
    expect(await sh("db-0", "cat /data/me")).toBe("db-0\n");
  });

  it("brings a rotated Secret and a changed ConfigMap into their files, and nowhere else", async () => {
    await ready("reader");
    const read = await inContainer("reader");
    const line = (path: string): string =>
      read("mounts")
        .split("\n")
        .find((one) => one.split(" ")[1] === path) ?? "";
    expect(line("/etc/k")).toMatch(/^tmpfs \/etc\/k tmpfs ro,/);
    expect(line("/etc/all")).toMatch(/^tmpfs .* ro,/);
    expect(line("/scratch")).toMatch(/^tmpfs .* rw,.*size=8192k/);
    expect([read("root/etc/k/password"), read("root/etc/all/labels")]).toEqual(["first", 'tier="first"']);
    await applyText(config("green", "second"));
    const started = performance.now();
    await kubectl("label", "pod", "reader", "-n", NS, "tier=second", "--overwrite");
    let secretMs = 0;
    await within(60_000, "all files are the new ones", () => {
      if (secretMs === 0 && read("root/etc/k/password") === "second") secretMs = performance.now() - started;
      const files = ["k/password", "all/deep/password", "s/colour", "all/labels"].map((file) =>
        read(`root/etc/${file}`),
      );
      expect(files).toEqual(["second", "second", "green", 'tier="second"']);
    });
    console.log(`rotated Secret in its file after ${Math.round(secretMs)} ms (0 to 60000 allowed)`);
    expect(read("environ").split("\0")).toContain("PASSWORD=first");
    expect(read("root/etc/one-colour")).toBe("blue");
    expect(await sh("reader", "stat -Lc %a /etc/k/password; readlink /etc/k/password")).toBe("400\n..data/password\n");
  });

  it("waits for a ConfigMap that is not there, says so, and goes on when it comes", async () => {
    const waiting = await get("pod", "waiter");
    expect(waiting.status.containerStatuses[0].state.waiting.reason).toBe("ContainerCreating");
    const events = await kubectl("events", "-n", NS, "--for", "pod/waiter");
    expect(events).toMatch(
      /Warning +FailedMount .*MountVolume.SetUp failed for volume "l" : configmap "late" not found/,
    );
    await kubectl("create", "configmap", "late", "-n", NS, "--from-literal=a=b");
    await ready("waiter");
    expect(await sh("waiter", "cat /etc/l/a")).toBe("b");
  });

  it("makes secrets and data available again after a node's plug was pulled", async () => {
    const before = await get("pod", "reader");
    const { nodeName } = before.spec;
    await triOk("host", "kill", nodeName);
    await triOk("host", "start", nodeName);
    await within(60_000, "the reader runs again", async () => {
      const [container] = (await get("pod", "reader")).status.containerStatuses;
      expect(container.ready).toBe(true);
      expect(container.containerID).not.toBe(before.status.containerStatuses[0].containerID);
    });
    const read = await inContainer("reader");
    expect([read("root/etc/k/password"), read("root/etc/one-colour")]).toEqual(["second", "green"]);
    expect(read("environ").split("\0")).toContain("PASSWORD=second");
  });

  it("removes a released volume's directory, but not while a pod uses it", async () => {
    const { volumeName } = (await get("pvc", "data")).spec;
    const { path } = (await getJson("pv", volumeName)).spec.local;
    await within(
      30_000,
      "the pod is there",
      async () => (await tryKubectl(["get", "pod", "third", "-n", NS])).code === 0,
    );
    await kubectl("delete", "pvc", "data", "-n", NS, "--wait=false");
    expect(await kubectl("get", "pvc", "data", "-n", NS)).toMatch(/^data +Terminating /m);
    expect(readdirSync(path)).toContain("file");
    await remove("third");
    await kubectl("wait", "--for=delete", `pv/${volumeName}`, "--timeout=20s");
    expect(existsSync(path)).toBe(false);
    expect((await tryKubectl(["get", "pvc", "data", "-n", NS])).code).toBe(1);
  });
});
