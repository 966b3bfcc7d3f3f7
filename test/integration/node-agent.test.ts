// Goal: the agent runs pods on a real containerd, in a network namespace of its own. Method: its pods and Services come
// from the test instead of an API, everything else is real; what is asserted is the state of the runtime, the cgroups,
// the files and the network, or the status that the agent reports.
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Container, Pod, PodStatus } from "@trireme/api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NodeHost } from "./node-host.ts";
import { createNodeHost } from "./node-host.ts";

const POD_CIDR = "10.244.200.0/24";
const HARNESS = fileURLToPath(new URL("node-harness.ts", import.meta.url));
const able = process.getuid?.() === 0 && existsSync("/usr/bin/containerd") && existsSync("/usr/lib/cni/bridge");

/** One life of the agent. */
class Agent {
  readonly statuses = new Map<string, PodStatus>();
  readonly said: Record<string, unknown>[] = [];
  private readonly process: ChildProcess;
  private changed: () => void = () => {};

  constructor(host: NodeHost, env: Record<string, string> = {}) {
    const assignments = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const args = [process.execPath, HARNESS, host.dir, host.address, host.cgroupParent, POD_CIDR];
    this.process = host.spawn("env", [...assignments, ...args], {
      stderr: process.env["DEBUG"] ? "inherit" : "ignore",
    });
    createInterface({ input: this.process.stdout! }).on("line", (line) => {
      const said = JSON.parse(line) as { name?: string; status?: PodStatus };
      this.said.push(said as Record<string, unknown>);
      if (said.status !== undefined) this.statuses.set(said.name!, said.status);
      this.changed();
    });
  }

  order(order: object): void {
    this.process.stdin!.write(`${JSON.stringify(order)}\n`);
  }

  /** Waits until `found` answers something, looking again at each line that the agent says. */
  async until<T>(what: string, found: () => T | undefined | false, ms = 20_000): Promise<T> {
    const deadline = Date.now() + ms;
    for (;;) {
      const value = found();
      if (value !== undefined && value !== false) return value;
      if (Date.now() > deadline) {
        const last = JSON.stringify([...this.statuses.entries()].slice(-3));
        throw new Error(`waited ${ms} ms for: ${what}; last statuses: ${last}`);
      }
      await new Promise<void>((resolve) => {
        this.changed = resolve;
        setTimeout(resolve, 200);
      });
    }
  }

  ready(): Promise<unknown> {
    return this.until("the agent", () => this.said.some((said) => said["ready"] === true));
  }

  podReady(name: string, ms?: number): Promise<PodStatus> {
    return this.until(`${name} ready`, () => this.isReady(name) && this.statuses.get(name)!, ms);
  }

  isReady(name: string): boolean {
    return this.statuses.get(name)?.conditions?.find((c) => c.type === "Ready")?.status === "True";
  }

  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGKILL");
    await ended;
  }
}

function podOf(name: string, change: Partial<Container>, spec: Partial<Pod["spec"]> = {}): Pod {
  const container: Container = { name: "c", image: "local.test/busybox:1", imagePullPolicy: "IfNotPresent", ...change };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", uid: `uid-${name}`, labels: { app: name } },
    spec: { nodeName: "n1", terminationGracePeriodSeconds: 1, ...spec, containers: [container] },
  };
}

const web = (name: string): Pod =>
  podOf(name, {
    command: ["/bin/sh", "-c", "echo $NAME > /tmp/index.html; echo serving $NAME; exec httpd -f -p 8080 -h /tmp"],
    env: [{ name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
    resources: { limits: { memory: "64Mi", cpu: "500m" } },
    readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 },
  });

const deleted = (pod: Pod): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 1 },
});

const idOf = (status: PodStatus): string => status.containerStatuses![0]!.containerID!.replace("containerd://", "");

describe.runIf(able)("the node's agent on a real containerd", () => {
  let host: NodeHost;
  let agent: Agent;
  /** What the second agent found running. */
  let adopted: PodStatus | undefined;
  const names = (): string => host.ctr("containers", "ls", "-q");

  beforeAll(async () => {
    host = await createNodeHost(201, POD_CIDR);
    agent = new Agent(host, { TRIREME_PLANT_THROW: "pod:default/planted" });
    agent.order({ op: "listed" });
    await agent.ready();
  });
  afterAll(async () => {
    await agent?.kill();
    host?.destroy();
  });

  it("runs a bound pod: address, limits, environment, log, readiness", async () => {
    agent.order({ op: "put", pod: web("web") });
    const status = await agent.podReady("web");
    expect(status).toMatchObject({ phase: "Running", hostIP: host.address, qosClass: "Guaranteed" });
    expect(status.podIP).toMatch(/^10\.244\.200\./);
    const id = idOf(status);
    const limit = [
      `/sys/fs/cgroup/memory${host.cgroupParent}/${id}/memory.limit_in_bytes`,
      `/sys/fs/cgroup${host.cgroupParent}/${id}/memory.max`,
    ].find(existsSync)!;
    expect(readFileSync(limit, "utf8").trim()).toBe(String(64 * 1024 * 1024));
    const log = readFileSync(`${host.dir}/pods/default_web_uid-web/c/0.log`, "utf8");
    expect(log).toMatch(/ stdout F serving web\n/);
  });

  it("starts a killed container again at once", async () => {
    const before = agent.statuses.get("web")!;
    const killedAt = Date.now();
    host.ctr("task", "kill", "-s", "SIGKILL", idOf(before));
    await agent.until("a restart", () => agent.statuses.get("web")!.containerStatuses![0]!.restartCount === 1);
    const after = await agent.podReady("web");
    expect(Date.now() - killedAt).toBeLessThan(5000);
    expect(after.containerStatuses![0]!.lastState?.terminated?.exitCode).toBe(137);
  });

  it("carries a Service to the pod from the node, and refuses one without endpoints", async () => {
    const port = { name: "http", port: 80, targetPort: 8080, protocol: "TCP" };
    const service = (name: string, clusterIP: string, nodePort: number) => ({
      metadata: { name, namespace: "default" },
      spec: { clusterIP, type: "NodePort", ports: [{ ...port, nodePort }] },
    });
    const slice = {
      metadata: { name: "web-1", namespace: "default", labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      endpoints: [{ addresses: [agent.statuses.get("web")!.podIP!], nodeName: "n1", conditions: { ready: true } }],
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    };
    const services = [service("web", "10.96.0.50", 30080), service("none", "10.96.0.51", 30081)];
    agent.order({ op: "services", services, slices: [slice] });
    await agent.until("rules", () => agent.said.some((said) => "synced" in said));
    const get = (url: string): string => {
      const code = `fetch("${url}",{signal:AbortSignal.timeout(3000)}).then(async r=>console.log((await r.text()).trim()),e=>console.log(e.cause?.code??e.name))`;
      return host.run(process.execPath, "-e", code).trim();
    };
    expect(get("http://10.96.0.50/")).toBe("web");
    expect(get(`http://${host.address}:30080/`)).toBe("web");
    expect(get("http://10.96.0.51/")).toBe("ECONNREFUSED");
    const outside = await fetch(`http://${host.address}:30080/`, { signal: AbortSignal.timeout(3000) });
    expect((await outside.text()).trim()).toBe("web");
    // The pod reaches itself through its own Service.
    const inside = host.ctr(
      "task",
      "exec",
      "--exec-id",
      "hairpin",
      idOf(agent.statuses.get("web")!),
      ...["timeout", "3", "wget", "-qO-", "http://10.96.0.50/"],
    );
    expect(inside.trim()).toBe("web");
  });

  it("restarts what fails its liveness probe", async () => {
    const livenessProbe = {
      exec: { command: ["test", "!", "-e", "/tmp/sick"] },
      periodSeconds: 1,
      failureThreshold: 1,
    };
    const command = ["/bin/sh", "-c", "trap exit TERM; sleep 1; touch /tmp/sick; while true; do sleep 0.1; done"];
    agent.order({ op: "put", pod: podOf("sick", { command, livenessProbe }) });
    await agent.until("a restart", () => (agent.statuses.get("sick")?.containerStatuses?.[0]?.restartCount ?? 0) > 0);
    agent.order({ op: "put", pod: deleted(podOf("sick", { command, livenessProbe })) });
  });

  it("says what to do about an image that is not there", async () => {
    agent.order({ op: "put", pod: podOf("absent", { image: "local.test/absent:1", imagePullPolicy: "Never" }) });
    const state = await agent.until("a reason", () => {
      const waiting = agent.statuses.get("absent")?.containerStatuses?.[0]?.state?.waiting;
      return waiting?.message !== undefined && waiting;
    });
    expect(state.reason).toBe("ErrImageNeverPull");
    expect(state.message).toContain("tri image load");
    agent.order({ op: "put", pod: deleted(podOf("absent", { image: "local.test/absent:1" })) });
  });

  it("runs init containers first, ends with the last one, and keeps its last words", async () => {
    const pod = podOf(
      "job",
      {
        command: ["/bin/sh", "-c", "cat /work/x > /dev/termination-log; exit 3"],
        volumeMounts: [{ name: "w", mountPath: "/work" }],
      },
      {
        restartPolicy: "Never",
        volumes: [{ name: "w", emptyDir: {} }],
        initContainers: [
          {
            name: "first",
            image: "local.test/busybox:1",
            imagePullPolicy: "IfNotPresent",
            command: ["/bin/sh", "-c", "echo hello > /work/x"],
            volumeMounts: [{ name: "w", mountPath: "/work" }],
          },
        ],
      },
    );
    agent.order({ op: "put", pod });
    const status = await agent.until("the end", () => {
      const now = agent.statuses.get("job");
      return now?.phase === "Failed" && now;
    });
    const terminated = status.containerStatuses![0]!.state!.terminated!;
    expect([terminated.exitCode, terminated.reason, terminated.message]).toEqual([3, "Error", "hello\n"]);
    expect(status.initContainerStatuses![0]!.state!.terminated!.reason).toBe("Completed");
  });

  it("survives a throw in one pod's behaviour: that actor restarts, others do not notice", async () => {
    const before = idOf(agent.statuses.get("web")!);
    agent.order({ op: "put", pod: web("planted") });
    await agent.podReady("planted");
    const decisions = agent.said.flatMap((said) => ("decision" in said ? [said["decision"]] : []));
    expect(decisions).toEqual([expect.objectContaining({ directive: "restart", restarts: 1 })]);
    expect(idOf(agent.statuses.get("web")!)).toBe(before);
  });

  it("adopts what runs when it comes back, and ends what the API no longer has", async () => {
    const before = agent.statuses.get("web")!;
    await agent.kill();
    // Of a pod that this life had not cleared away yet: the next one does.
    mkdirSync(`${host.dir}/pods/default_half_uid-half`);
    agent = new Agent(host);
    agent.order({ op: "put", pod: { ...web("web"), status: before } });
    agent.order({ op: "listed" });
    await agent.ready();
    // `planted` and `job` are in no API now: they are orphans.
    await agent.until("the orphans' end", () => agent.said.filter((said) => "forgotten" in said).length === 2);
    const status = agent.statuses.get("web") ?? before;
    expect(idOf(status)).toBe(idOf(before));
    expect(status.containerStatuses![0]).toMatchObject({ ready: true, restartCount: 1 });
    expect(names()).toContain(idOf(before));
    adopted = status;
  });

  it("starts a dead container again while no server answers, by what was known of its pod", async () => {
    await agent.until("the manifest on disk", () => existsSync(`${host.dir}/manifests/uid-web.json`));
    expect(readdirSync(`${host.dir}/manifests`)).toEqual(["uid-web.json"]);
    const { restartCount } = adopted!.containerStatuses![0]!;
    await agent.kill();
    agent = new Agent(host);
    host.ctr("task", "kill", "-s", "SIGKILL", idOf(adopted!));
    const after = await agent.until("its next life", () => {
      const status = agent.statuses.get("web");
      return status?.containerStatuses![0]!.restartCount === restartCount + 1 && agent.isReady("web") && status;
    });
    agent.order({ op: "put", pod: { ...web("web"), status: after } });
    agent.order({ op: "listed" });
    await agent.ready();
    expect(names()).toContain(idOf(after));
  });

  it("leaves nothing of a deleted pod", async () => {
    agent.order({ op: "put", pod: deleted(web("web")) });
    await agent.until("its end", () => agent.said.some((said) => said["forgotten"] === "uid-web"));
    expect(names().trim()).toBe("");
    const folders = ["pods", "volumes"].map((name) => `${host.dir}/${name}`);
    expect(folders.flatMap((dir) => readdirSync(dir)).filter((name) => name.includes("uid-web"))).toEqual([]);
    // Of the pods before it, too, which may be ending still.
    for (const dir of [...folders, `${host.dir}/manifests`]) {
      await agent.until(`the end of all in ${dir}`, () => readdirSync(dir).length === 0);
    }
  });
});
