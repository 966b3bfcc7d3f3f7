import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Container, Pod } from "@trireme/api";
import { TriremeError, errorFrom, hasCode } from "@trireme/base";
import type { Cri } from "@trireme/cri";
import type { Logger } from "@trireme/telemetry";
import type { ImageStore } from "../images/image-store.ts";
import type { StatusSink } from "../status/status-sink.ts";
import type { ConfigSource } from "../volumes/config-source.ts";
import type { DnsSettings } from "../volumes/pod-files.ts";
import { dnsSettings, hostsFile } from "../volumes/pod-files.ts";
import type { Volumes } from "../volumes/volumes.ts";
import type { PodSurroundings } from "./cri-config.ts";
import { containerConfig, logDirectoryName, mountsOf, sandboxConfig } from "./cri-config.ts";
import type { EnvironmentSources, KeyValues } from "./environment.ts";
import { environmentNeeds, environmentOf } from "./environment.ts";
import type { ContainerFact, PodFacts, SandboxFact } from "./facts.ts";
import type { Gate } from "./gate.ts";
import type { Step } from "./next-step.ts";
import type { NodeIdentity, PodMessage, StepResult } from "./pod-behaviour.ts";
import { factOf, readContainer } from "./runtime-view.ts";
import { runPreStop } from "./pre-stop.ts";

/** Events about pods, as `kubectl describe` shows them. */
export interface PodEvents {
  normal(pod: Pod, reason: string, message: string): void;
  warning(pod: Pod, reason: string, message: string): void;
}

/** What steps are carried out with. */
export interface PodRunnerOptions {
  readonly cri: Cri;
  readonly images: ImageStore;
  readonly volumes: Volumes;
  readonly config: ConfigSource;
  readonly sink: StatusSink;
  readonly node: NodeIdentity;
  readonly logRoot: string;
  readonly cgroupParent: string;
  readonly clusterDomain: string;
  /** Addresses of cluster DNS servers, the best first. */
  readonly dnsServers: () => readonly string[];
  readonly hostDns: DnsSettings;
  readonly allocatable: EnvironmentSources["allocatable"];
  /** Bounds sandboxes in the making, containers in the making, and teardowns, each on its own. */
  readonly gates: { readonly sandboxes: Gate; readonly containers: Gate; readonly teardowns: Gate };
  readonly now: () => number;
  readonly log: Logger;
  /** Tells people what happened to a pod; best effort. */
  readonly events?: PodEvents;
  /** A container exists from now on: its events belong to this pod. */
  readonly onCreated: (uid: string, containerId: string, sandboxId: string) => void;
  readonly onForgotten: (uid: string) => void;
  /** Takes an ending pod out of rotation; resolves when that is done or has taken long enough. */
  readonly drain: (pod: Pod) => Promise<void>;
}

/** Where a container finds the file for its last words, unless it says otherwise. */
const TERMINATION_PATH = "/dev/termination-log";

/** The same file among the pod's own on the node. */
export function terminationFile(container: string, attempt: number): string {
  return `termination/${container}-${attempt}`;
}

/** Carries out the steps of pods and reports by message. */
export interface PodRunner {
  run(step: Step, facts: PodFacts, send: (message: PodMessage) => void): Promise<void>;
}

/** Steps against the container runtime. */
export function createPodRunner(options: PodRunnerOptions): PodRunner {
  const { cri, now } = options;
  /** Host paths of each pod's volumes, from its `prepare`. */
  const volumePaths = new Map<string, ReadonlyMap<string, string>>();

  function sources(pod: Pod, ip: string, data: ReadonlyMap<string, KeyValues | undefined>): EnvironmentSources {
    const { node, allocatable } = options;
    return {
      nodeName: node.name,
      hostIP: node.address,
      podIP: pod.spec.hostNetwork ? node.address : ip,
      allocatable,
      config: (kind, name) => data.get(`${kind}/${name}`),
    };
  }

  function surroundings(pod: Pod): PodSurroundings {
    const name = logDirectoryName(pod.metadata.namespace ?? "default", pod.metadata.name, pod.metadata.uid ?? "");
    return {
      cgroupParent: options.cgroupParent,
      logDirectory: join(options.logRoot, name),
      dns: dnsSettings(pod, options.dnsServers(), options.clusterDomain, options.hostDns),
    };
  }

  async function prepare(pod: Pod): Promise<StepResult> {
    const paths = await options.volumes.prepare(pod, sources(pod, "", new Map()));
    volumePaths.set(pod.metadata.uid ?? "", paths);
    const { logDirectory } = surroundings(pod);
    const names = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map((container) => container.name);
    await Promise.all(names.map((name) => mkdir(join(logDirectory, name), { recursive: true })));
    return {};
  }

  async function createSandbox(pod: Pod, attempt: number): Promise<StepResult> {
    const config = sandboxConfig(pod, attempt, surroundings(pod));
    const id = await options.gates.sandboxes.run(() => cri.runPodSandbox(config));
    const ip = pod.spec.hostNetwork ? options.node.address : ((await cri.podSandboxStatus(id)).network?.ip ?? "");
    await options.volumes.writeFile(pod.metadata.uid ?? "", "hosts", hostsFile(pod, ip, options.clusterDomain));
    const sandbox: SandboxFact = { id, attempt, ready: true, ip, createdAt: now() };
    return { sandbox };
  }

  async function startContainer(
    pod: Pod,
    facts: PodFacts,
    step: Extract<Step, { type: "startContainer" }>,
  ): Promise<StepResult> {
    const container = containerNamed(pod, step.name);
    const sandbox = facts.runtime.sandboxes[0]!;
    const id = step.createdId ?? (await create(pod, container, step, sandbox));
    options.onCreated(pod.metadata.uid ?? "", id, step.sandboxId);
    await options.gates.containers.run(() => cri.startContainer(id));
    options.events?.normal(pod, "Started", `Started container ${step.name}`);
    return { container: factOf(await cri.containerStatus(id), step.sandboxId) };
  }

  async function create(
    pod: Pod,
    container: Container,
    step: Extract<Step, { type: "startContainer" }>,
    sandbox: SandboxFact,
  ): Promise<string> {
    const data = new Map<string, KeyValues | undefined>();
    for (const { kind, name } of environmentNeeds(container)) {
      data.set(`${kind}/${name}`, await options.config.get(kind, pod.metadata.namespace ?? "default", name));
    }
    await refuseRoot(pod, container, step.imageRef);
    const uid = pod.metadata.uid ?? "";
    const env = environmentOf(pod, container, sources(pod, sandbox.ip, data));
    const hosts = await options.volumes.writeFile(uid, "hosts", hostsFile(pod, sandbox.ip, options.clusterDomain));
    const last = await options.volumes.writeFile(uid, terminationFile(container.name, step.attempt), "", 0o666);
    const files = {
      ...(pod.spec.hostNetwork ? {} : { "/etc/hosts": hosts }),
      [container.terminationMessagePath ?? TERMINATION_PATH]: last,
    };
    const mounts = mountsOf(container, volumePaths.get(uid) ?? new Map(), env, files);
    const logPath = join(container.name, `${step.attempt}.log`);
    const around = surroundings(pod);
    await mkdir(join(around.logDirectory, container.name), { recursive: true });
    const { attempt, crashStep, imageRef } = step;
    const config = containerConfig(pod, container, { attempt, crashStep, imageRef, env, mounts, logPath });
    const sandboxed = sandboxConfig(pod, step.sandboxAttempt, around);
    return options.gates.containers.run(() => cri.createContainer(step.sandboxId, config, sandboxed));
  }

  /** `runAsNonRoot`: neither the manifest nor the image may make the process root. */
  async function refuseRoot(pod: Pod, container: Container, imageRef: string): Promise<void> {
    const [own, shared] = [container.securityContext, pod.spec.securityContext];
    if (!(own?.runAsNonRoot ?? shared?.runAsNonRoot)) return;
    const user = own?.runAsUser ?? shared?.runAsUser;
    if (user !== undefined && user !== 0) return;
    const image = user === undefined ? await cri.imageStatus(imageRef) : undefined;
    if ((image?.uid?.value ?? 0n) !== 0n) return;
    const named = image?.username ?? "";
    throw new TriremeError(
      "Invalid",
      named === "" || named === "root"
        ? `container has runAsNonRoot and would run as root: set securityContext.runAsUser to another user`
        : `container has runAsNonRoot and its image names the user "${named}", which may be root: set runAsUser`,
    );
  }

  async function kill(
    facts: PodFacts,
    step: Extract<Step, { type: "kill" }>,
    send: (message: PodMessage) => void,
  ): Promise<void> {
    await Promise.all(
      step.containers.map(async (fact) => {
        if (facts.pod !== undefined) {
          options.events?.normal(facts.pod, "Killing", `Stopping container ${fact.name}: ${step.why}`);
        }
        const spent = facts.pod === undefined ? 0 : await preStop(facts, fact, step.graceSeconds);
        await cri.stopContainer(fact.id, Math.max(0, step.graceSeconds - spent));
        const after = await readContainer(cri, fact.id, fact.sandboxId);
        const container = after ?? { ...fact, state: "exited" as const, finishedAt: now(), exitCode: 137 };
        send({ type: "container", container, at: now() });
      }),
    );
  }

  async function preStop(facts: PodFacts, fact: ContainerFact, graceSeconds: number): Promise<number> {
    const container = [...(facts.pod?.spec.containers ?? []), ...(facts.pod?.spec.initContainers ?? [])].find(
      (c) => c.name === fact.name,
    );
    const hook = container?.lifecycle?.preStop;
    if (hook === undefined || graceSeconds <= 0 || container === undefined) return 0;
    const ip = facts.runtime.sandboxes[0]?.ip ?? "";
    return runPreStop({ cri, container, hook, containerId: fact.id, ip, graceSeconds, log: options.log });
  }

  async function forget(facts: PodFacts): Promise<void> {
    const { uid, namespace, name } = facts.runtime;
    await options.volumes.remove(uid);
    await rm(join(options.logRoot, logDirectoryName(namespace, name, uid)), { recursive: true, force: true });
    volumePaths.delete(uid);
    options.onForgotten(uid);
  }

  async function carryOut(step: Step, facts: PodFacts, send: (m: PodMessage) => void): Promise<StepResult | undefined> {
    const pod = facts.pod;
    switch (step.type) {
      case "prepare":
        return prepare(pod!);
      case "createSandbox":
        return createSandbox(pod!, step.attempt);
      case "startContainer":
        return startContainer(pod!, facts, step);
      case "pullImage": {
        const fact = await options.images.ensure(step.image, step.policy, step.failures);
        if (fact.state === "failed") options.events?.warning(pod!, "Failed", fact.message);
        send({ type: "image", image: step.image, fact, at: now() });
        return undefined;
      }
      case "kill":
        await kill(facts, step, send);
        return {};
      case "drain":
        await options.drain(pod!);
        send({ type: "drained", at: now() });
        return undefined;
      case "removeContainer":
        await cri.removeContainer(step.id);
        return {};
      case "stopSandbox":
        await options.gates.teardowns.run(() => cri.stopPodSandbox(step.id));
        return {};
      case "removeSandbox":
        await options.gates.teardowns.run(() => cri.removePodSandbox(step.id));
        return {};
      case "finalize":
        await options.sink.remove(pod!);
        return {};
      case "forget":
        await forget(facts);
        return undefined;
      case "end":
      case "wait":
        return undefined;
    }
  }

  return {
    async run(step, facts, send) {
      try {
        const result = await carryOut(step, facts, send);
        if (result !== undefined) send({ type: "done", step, result, at: now() });
      } catch (thrown) {
        const error = errorFrom(thrown);
        const reason = reasonOf(step, hasCode(error, "NotFound") || hasCode(error, "Invalid"));
        const { namespace, name } = facts.runtime;
        const log = { pod: `${namespace}/${name}`, step: step.type, reason, err: error };
        options.log.warn("a pod's step failed", log);
        if (facts.pod !== undefined && facts.endingSince === 0) {
          options.events?.warning(facts.pod, eventReason(step), error.message);
        }
        send({ type: "failed", step, reason, message: error.message, at: now() });
      }
    },
  };
}

function containerNamed(pod: Pod, name: string): Container {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find((container) => container.name === name)!;
}

function eventReason(step: Step): string {
  if (step.type === "createSandbox") return "FailedCreatePodSandBox";
  return step.type === "prepare" ? "FailedMount" : "Failed";
}

/** Kubernetes' words for what keeps a container waiting. */
function reasonOf(step: Step, configuration: boolean): string {
  switch (step.type) {
    case "startContainer":
      return configuration ? "CreateContainerConfigError" : "CreateContainerError";
    case "prepare":
      return "ContainerCreating";
    case "createSandbox":
      return "ContainerCreating";
    default:
      return "Error";
  }
}
