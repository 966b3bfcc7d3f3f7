/**
 * Goal: the life of a pod on its node is what a Kubernetes user expects: hooks, sidecars, deadlines, environment, probes,
 * logs, streams. Method: all pods begin at once; then each is looked at from outside, through kubectl.
 */
import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Any,
  applyText,
  ensureCluster,
  freshNamespace,
  getJson,
  isReady,
  kubeconfig,
  kubectl,
  kubectlPath,
  leaveNamespace,
  status,
  triOk,
  tryKubectl,
} from "./cluster.ts";
import { type Finished, expectThat, run, within } from "./process.ts";
import { channelOf, webSocket } from "./web-socket.ts";

const NS = "pod-life";
const IMAGE = "trireme.local/hello:1";

/** A pod whose containers run shell scripts; `{}` in a container stands for an image's own command. */
function pod(name: string, spec: Any, metadata: Any = {}): Any {
  const shell = ({ script, ...more }: Any): Any => ({
    image: IMAGE,
    ...(script === undefined ? {} : { command: ["busybox", "sh", "-c", script] }),
    ...more,
  });
  const initContainers = (spec.initContainers ?? []).map(shell);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: NS, ...metadata },
    spec: { terminationGracePeriodSeconds: 0, ...spec, initContainers, containers: spec.containers.map(shell) },
  };
}

const busybox = (...args: string[]): string[] => ["busybox", ...args];
/** Goes on until it is told to end, and then ends at once. */
const FOREVER = "trap 'exit 0' TERM; busybox sleep 1000 & wait";

const PODS = [
  pod("hooked", {
    terminationGracePeriodSeconds: 5,
    containers: [
      {
        name: "c",
        script: `busybox date +%s%3N > /tmp/started; ${FOREVER}`,
        lifecycle: {
          postStart: { exec: { command: busybox("sh", "-c", "busybox sleep 1; echo said > /tmp/hook") } },
          preStop: { httpGet: { path: "/bye", port: 8080, host: "127.0.0.1" } },
        },
      },
      { name: "next", script: `test -e /tmp/never; ${FOREVER}` },
    ],
  }),
  pod("hook-fails", {
    containers: [{ name: "c", script: FOREVER, lifecycle: { postStart: { exec: { command: busybox("false") } } } }],
  }),
  pod("with-sidecars", {
    restartPolicy: "Never",
    terminationGracePeriodSeconds: 5,
    volumes: [{ name: "v", emptyDir: {} }],
    initContainers: [
      {
        name: "first",
        restartPolicy: "Always",
        script:
          "trap 'echo first ends >> /v/log; exit 0' TERM; busybox sleep 1; echo first is up >> /v/log; touch /v/up; busybox sleep 1000 & wait",
        startupProbe: { exec: { command: busybox("test", "-e", "/v/up") }, periodSeconds: 1, failureThreshold: 30 },
        volumeMounts: [{ name: "v", mountPath: "/v" }],
      },
      {
        name: "second",
        restartPolicy: "Always",
        script:
          "trap 'echo second ends >> /v/log; exit 0' TERM; echo second is up >> /v/log; busybox sleep 1000 & wait",
        volumeMounts: [{ name: "v", mountPath: "/v" }],
      },
      { name: "init", script: "echo init >> /v/log", volumeMounts: [{ name: "v", mountPath: "/v" }] },
    ],
    containers: [
      {
        name: "c",
        script: "echo main >> /v/log; busybox sleep 1; busybox cat /v/log",
        volumeMounts: [{ name: "v", mountPath: "/v" }],
      },
    ],
  }),
  pod("deadline", { activeDeadlineSeconds: 2, containers: [{ name: "c", script: FOREVER }] }),
  pod("last-words", {
    restartPolicy: "Never",
    containers: [
      { name: "file", script: "echo -n written > /tmp/words; exit 1", terminationMessagePath: "/tmp/words" },
      { name: "log", script: "echo from the log; exit 2", terminationMessagePolicy: "FallbackToLogsOnError" },
      { name: "well", script: "echo from the log; exit 0", terminationMessagePolicy: "FallbackToLogsOnError" },
    ],
  }),
  pod("crashes", { containers: [{ name: "c", script: "echo life; exit 3" }] }),
  pod("no-image", { containers: [{ name: "c", image: "trireme.local/nothing:1", imagePullPolicy: "Never" }] }),
  pod("bad-image", { containers: [{ name: "c", image: "trireme.local/Nothing:1" }] }),
  pod("no-config", {
    containers: [{ name: "c", env: [{ name: "X", valueFrom: { configMapKeyRef: { name: "gone", key: "k" } } }] }],
  }),
  pod(
    "told",
    {
      restartPolicy: "Never",
      subdomain: "sub",
      setHostnameAsFQDN: true,
      hostAliases: [{ ip: "10.9.8.7", hostnames: ["alias.example"] }],
      containers: [
        {
          name: "c",
          resources: { limits: { cpu: "500m", memory: "64Mi" } },
          env: [
            { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
            { name: "LABEL", valueFrom: { fieldRef: { fieldPath: "metadata.labels['team']" } } },
            { name: "HOST_IP", valueFrom: { fieldRef: { fieldPath: "status.hostIP" } } },
            { name: "POD_IPS", valueFrom: { fieldRef: { fieldPath: "status.podIPs" } } },
            { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "1m" } } },
            { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "limits.memory", divisor: "1Mi" } } },
            { name: "BOTH", value: "$(POD_NAME) by $(KUBERNETES_SERVICE_PORT) $$(POD_NAME)" },
          ],
          script: "busybox env; echo HOSTNAME_IS=$(busybox hostname); busybox cat /etc/hosts",
        },
      ],
    },
    { labels: { team: "red" } },
  ),
  pod(
    "talks",
    {
      containers: [
        { name: "c", script: `for i in 1 2 3 4 5; do echo c $i; done; ${FOREVER}` },
        { name: "d", script: `echo d 1; ${FOREVER}` },
      ],
    },
    { labels: { app: "talks" } },
  ),
  pod("works", {
    tolerations: [{ operator: "Exists" }],
    containers: [
      { name: "c", readinessProbe: { httpGet: { path: "/readyz", port: 8080 }, periodSeconds: 1 } },
      { name: "mortal", script: FOREVER },
    ],
  }),
  pod("gated", { readinessGates: [{ conditionType: "example.com/gate" }], containers: [{ name: "c" }] }),
];

const get = (name: string): Promise<Any> => getJson("pod", name, "-n", NS);
const statusOf = (object: Any, container = "c"): Any =>
  [...(object.status.initContainerStatuses ?? []), ...(object.status.containerStatuses ?? [])].find(
    (status: Any) => status.name === container,
  );
const exec = (name: string, ...command: string[]): Promise<string> =>
  kubectl("exec", "-n", NS, name, "-c", "c", "--", "busybox", ...command);

async function events(name: string): Promise<string[]> {
  const { items } = await getJson("events", "-n", NS, "--field-selector", `involvedObject.name=${name}`);
  return items.map((event: Any) => `${event.reason}: ${event.message}`);
}

describe("the life of a pod:", () => {
  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
    await applyText(PODS.map((one) => JSON.stringify(one)).join("\n---\n"));
  });
  afterAll(async () => {
    await leaveNamespace(NS);
  });

  it("a postStart hook holds the container back, and the next one", async () => {
    await kubectl("wait", "-n", NS, "--for=condition=Ready", "pod/hooked", "--timeout=20s");
    expect((await exec("hooked", "cat", "/tmp/hook")).trim()).toBe("said");
    const began = Number(await exec("hooked", "stat", "-c", "%Y", "/tmp/started"));
    const { startedAt } = statusOf(await get("hooked"), "next").state.running;
    expect(Date.parse(startedAt) / 1000).toBeGreaterThanOrEqual(began + 1);
  });

  it("a postStart hook that fails ends its container, again and again", async () => {
    await within(20_000, "restarted", async () => {
      expectThat(statusOf(await get("hook-fails")).restartCount >= 1, "not restarted");
    });
    await within(5_000, "told of", async () => {
      expect(await events("hook-fails")).toContain("FailedPostStartHook: PostStartHook failed");
    });
  });

  it("a preStop hook that fails is told of, and the pod ends all the same", async () => {
    await kubectl("delete", "pod", "hooked", "-n", NS, "--timeout=20s");
    await within(5_000, "told of", async () => {
      expect(await events("hooked")).toContain("FailedPreStopHook: PreStopHook failed");
    });
  });

  it("sidecars start in order, live beside the pod's containers, and end after them in reverse", async () => {
    await within(30_000, "the pod is over", async () => {
      expectThat((await get("with-sidecars")).status.phase === "Succeeded", "still going");
    });
    const over = await get("with-sidecars");
    for (const name of ["first", "second"]) expect(statusOf(over, name).state.terminated, name).toBeDefined();
    expect(await kubectl("logs", "-n", NS, "with-sidecars", "-c", "c")).toBe("first is up\nsecond is up\ninit\nmain\n");
    const ends = (name: string) => Date.parse(statusOf(over, name).state.terminated.finishedAt);
    expect(ends("c")).toBeLessThanOrEqual(ends("second"));
    expect(ends("second")).toBeLessThanOrEqual(ends("first"));
  });

  it("a pod past its active deadline fails", async () => {
    await within(20_000, "Failed", async () => {
      expectThat((await get("deadline")).status.phase === "Failed", "not yet");
    });
    expect((await get("deadline")).status).toMatchObject({
      reason: "DeadlineExceeded",
      message: "Pod was active on the node longer than the specified deadline",
    });
  });

  it("containers leave their last words", async () => {
    await within(20_000, "Failed", async () => {
      expectThat((await get("last-words")).status.phase === "Failed", "not yet");
    });
    const over = await get("last-words");
    const said = (name: string): unknown => statusOf(over, name).state.terminated.message;
    expect([said("file"), said("log"), said("well")]).toEqual(["written", "from the log\n", undefined]);
  });

  it("a container that crashes backs off, and its former life can be read", async () => {
    await within(20_000, "backing off", async () => {
      const { state, restartCount } = statusOf(await get("crashes"));
      expectThat(state.waiting?.reason === "CrashLoopBackOff" && restartCount >= 1, JSON.stringify(state));
    });
    const { state, lastState } = statusOf(await get("crashes"));
    expect(state.waiting.message).toMatch(/^back-off \d+s restarting failed container=c pod=crashes_pod-life\(/);
    expect(lastState.terminated).toMatchObject({ exitCode: 3, reason: "Error" });
    expect(await kubectl("logs", "-n", NS, "crashes", "--previous")).toBe("life\n");
    await within(5_000, "told of", async () => {
      expect((await events("crashes")).join("\n")).toMatch(/BackOff: Back-off restarting failed container c in pod/);
    });
  });

  it("says what keeps a container waiting", async () => {
    const waits = async (name: string, reason: string, message: string): Promise<void> => {
      await within(20_000, `${name} waits`, async () => {
        const { waiting } = statusOf(await get(name)).state;
        expect(waiting).toMatchObject({ reason, message: expect.stringContaining(message) });
      });
    };
    await waits("no-image", "ErrImageNeverPull", "is not present with pull policy of Never");
    await waits("bad-image", "InvalidImageName", "couldn't parse image name");
    await waits("no-config", "CreateContainerConfigError", 'configmap "gone" not found');
    const log = await tryKubectl(["logs", "-n", NS, "no-config"]);
    expect(log.code).not.toBe(0);
    expect(log.stderr).toContain('container "c" in pod "no-config" is waiting to start: CreateContainerConfigError');
  });

  it("tells a container who and where it is", async () => {
    await within(20_000, "over", async () => {
      expectThat((await get("told")).status.phase === "Succeeded", "not yet");
    });
    const said = (await kubectl("logs", "-n", NS, "told")).split("\n");
    const { status } = await get("told");
    for (const line of [
      "POD_NAME=told",
      "LABEL=red",
      `HOST_IP=${status.hostIP}`,
      `POD_IPS=${status.podIP}`,
      "CPU=500",
      "MEMORY=64",
      "BOTH=told by 443 $(POD_NAME)",
      "KUBERNETES_SERVICE_PORT_HTTPS=443",
      `HOSTNAME_IS=told.sub.${NS}.svc.cluster.local`,
      "# Kubernetes-managed hosts file.",
      "10.9.8.7\talias.example",
      `${status.podIP}\ttold.sub.${NS}.svc.cluster.local told`,
    ]) {
      expect(said).toContain(line);
    }
  });

  it("logs are cut as asked", async () => {
    await kubectl("wait", "-n", NS, "--for=condition=Ready", "pod/talks", "--timeout=20s");
    const logs = (...args: string[]): Promise<string> => kubectl("logs", "-n", NS, ...args);
    const [tail, bytes, stamped, none, future, all, selected, both] = await Promise.all([
      logs("talks", "-c", "c", "--tail=2"),
      logs("talks", "-c", "c", "--limit-bytes=5"),
      logs("talks", "-c", "c", "--timestamps", "--tail=1"),
      logs("talks", "-c", "c", "--tail=0"),
      logs("talks", "-c", "c", `--since-time=${new Date(Date.now() + 60_000).toISOString()}`),
      logs("talks", "--all-containers", "--since=1h"),
      logs("-l", "app=talks", "--all-containers", "--prefix", "--tail=1"),
      tryKubectl(["logs", "-n", NS, "talks", "-c", "d", "--previous"]),
    ]);
    expect(tail).toBe("c 4\nc 5\n");
    expect(bytes).toBe("c 1\nc");
    expect(stamped).toMatch(/^\d{4}-\d\d-\d\dT\S+Z c 5\n$/);
    expect([none, future]).toEqual(["", ""]);
    expect(all.split("\n").toSorted().join(" ")).toBe(" c 1 c 2 c 3 c 4 c 5 d 1");
    expect(selected.split("\n").toSorted()).toEqual(["", "[pod/talks/c] c 5", "[pod/talks/d] d 1"]);
    expect(both.code).not.toBe(0);
    expect(both.stderr).toContain('previous terminated container "d" in pod "talks" not found');
  });

  it("speaks to WebSocket clients, and tells those it cannot speak to", async () => {
    await kubectl("wait", "-n", NS, "--for=condition=Ready", "pod/works", "--timeout=20s");
    const query =
      "container=c&stdout=true&stderr=true&command=busybox&command=sh&command=-c&command=echo%20hi%3B%20exit%204";
    const path = `/api/v1/namespaces/${NS}/pods/works/exec?${query}`;
    const heard = await webSocket(path, "v4.channel.k8s.io");
    expect(channelOf(heard, 1)).toBe("hi\n");
    expect(JSON.parse(channelOf(heard, 3))).toMatchObject({ status: "Failure", reason: "NonZeroExitCode" });
    expect((await webSocket(path, "v5.channel.k8s.io")).status).toBeGreaterThanOrEqual(400);
    const log = await webSocket(`/api/v1/namespaces/${NS}/pods/talks/log?container=d`, "binary.k8s.io");
    expect(Buffer.concat(log.messages).toString()).toBe("d 1\n");
  });

  it("a container that is added to look inside sees its target's processes", async () => {
    const look = ["--container=peek", "--target=c", `--image=${IMAGE}`, "--", "busybox", "ps"];
    await kubectl("debug", "-n", NS, "works", ...look);
    await within(10_000, "it has looked", async () => {
      const [peek] = (await get("works")).status.ephemeralContainerStatuses;
      expect(peek).toMatchObject({ name: "peek", state: { terminated: { exitCode: 0 } } });
    });
    expect(await kubectl("logs", "-n", NS, "works", "-c", "peek")).toContain("/bin/hello");
    expect(isReady(await get("works"))).toBe(true);
  });

  it("a terminal has the size of the user's", async () => {
    const wait = "until busybox stty size | busybox grep -q 33.77; do busybox sleep 0.3; done; echo resized";
    const command = `${await kubectlPath()} exec -it -n ${NS} works -c c -- busybox sh -c '${wait}'`;
    const env = { KUBECONFIG: await kubeconfig() };
    const done = await run("script", ["-qec", `stty rows 33 cols 77; ${command}`, "/dev/null"], {
      env,
      timeoutMs: 10_000,
    });
    expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining("resized") });
  });

  it("an exec whose container or agent dies fails", async () => {
    const start = async (container: string): Promise<{ ended: Promise<Finished> }> => {
      const child = spawn(
        await kubectlPath(),
        ["exec", "-n", NS, "works", "-c", container, "--", "busybox", "sh", "-c", "echo up; busybox sleep 60"],
        { env: { ...process.env, KUBECONFIG: await kubeconfig() } },
      );
      let [stdout, stderr] = ["", ""];
      child.stdout.on("data", (piece: Buffer) => (stdout += piece.toString()));
      child.stderr.on("data", (piece: Buffer) => (stderr += piece.toString()));
      const ended = new Promise<Finished>((resolve) =>
        child.on("close", (code) => resolve({ code: code ?? -1, stdout, stderr })),
      );
      await within(10_000, "the command runs", () =>
        expect({ stdout, stderr }).toEqual({ stdout: "up\n", stderr: "" }),
      );
      return { ended };
    };
    const [inMortal, inWorks] = await Promise.all([start("mortal"), start("c")]);
    await tryKubectl(["exec", "-n", NS, "works", "-c", "mortal", "--", "busybox", "kill", "-TERM", "1"]);
    expect((await inMortal.ended).code).not.toBe(0);
    const { nodeName } = (await get("works")).spec;
    const node = (await status()).nodes.find(({ name }) => name === nodeName)!;
    process.kill(node.pids.agent, "SIGKILL");
    const done = await inWorks.ended;
    expect(done).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("the connection to the container was lost"),
    });
    await within(20_000, "the agent is back", () => exec("works", "true"));
  });

  it("a pod of a silent node is not ready, until the node speaks again", async () => {
    const { nodeName } = (await get("works")).spec;
    const ready = async (): Promise<Any> =>
      (await get("works")).status.conditions.find((one: Any) => one.type === "Ready");
    await triOk("host", "freeze", nodeName);
    try {
      await within(20_000, "not ready", async () => {
        expect(await ready()).toMatchObject({ status: "False", reason: "NodeNotReady" });
      });
    } finally {
      await triOk("host", "thaw", nodeName);
    }
    await within(20_000, "ready again", async () => expect((await ready()).status).toBe("True"));
  });

  it("a readiness gate holds a pod back until somebody opens it", async () => {
    await within(20_000, "running, not ready", async () => {
      const { status } = await get("gated");
      expectThat(statusOf({ status }).ready === true, "not started");
      const ready = status.conditions.find((one: Any) => one.type === "Ready");
      expect(ready).toMatchObject({ status: "False", reason: "ReadinessGatesNotReady" });
    });
    const conditions = [{ type: "example.com/gate", status: "True" }];
    const body = JSON.stringify({ status: { conditions } });
    await kubectl("patch", "pod", "gated", "-n", NS, "--subresource=status", "--type=strategic", "-p", body);
    await within(10_000, "ready", async () => expectThat(isReady(await get("gated")), "not ready"));
  });
});
