import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Container, EphemeralContainer, Pod, Service } from "@trireme/api";
import { TriremeError, errorFrom, hasCode } from "@trireme/base";
import type { Cri } from "@trireme/cri";
import type { Logger } from "@trireme/telemetry";
import type { ImageProgress, ImageStore } from "../images/image-store.ts";
import type { StatusSink } from "../status/status-sink.ts";
import type { ConfigSource } from "../volumes/config-source.ts";
import type { DnsSettings } from "../volumes/pod-files.ts";
import { dnsSettings, hostsFile } from "../volumes/pod-files.ts";
import type { LiveFiles } from "../volumes/live-files.ts";
import type { PreparedVolume, Volumes } from "../volumes/volumes.ts";
import { containersOf, findContainer } from "./containers.ts";
import type { PodSurroundings } from "./cri-config.ts";
import { containerConfig, logDirectoryName, mountsOf, sandboxConfig } from "./cri-config.ts";
import type { EnvironmentSources, KeyValues } from "./environment.ts";
import { environmentNeeds, environmentOf } from "./environment.ts";
import type { ContainerFact, ImageFact, PodFacts, SandboxFact } from "./facts.ts";
import { newestOf } from "./facts.ts";
import type { Gate } from "./gate.ts";
import { isRunning } from "./killing.ts";
import type { Step } from "./next-step.ts";
import type { NodeIdentity, PodMessage, StepResult } from "./pod-behaviour.ts";
import type { LastWords } from "./runtime-view.ts";
import { factOf, readContainer } from "./runtime-view.ts";
import { serviceEnvironment } from "./service-environment.ts";
import type { ImageUser } from "./run-as.ts";
import { rootRefusal, userWanted } from "./run-as.ts";
import { TERMINATION_PATH, terminationFile } from "./termination-file.ts";
import { POST_START_SECONDS, runHook } from "./lifecycle-hooks.ts";

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
  /** Keeps files up to date after `prepare`; without it they stay as they were. */
  readonly live?: Pick<LiveFiles, "follow" | "drop">;
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
  readonly lastWords?: LastWords;
  /** All Services; undefined while no server has told of them yet. */
  readonly services: () => readonly Service[] | undefined;
  /** Takes an ending pod out of rotation; resolves when that is done or has taken long enough. */
  readonly drain: (pod: Pod) => Promise<void>;
}

/** Kubelet's smallest grace after a hook has used up the pod's. */
const AFTER_HOOK_SECONDS = 2;

/** Among the pod's own files: the variables that told it of Services. */
const SERVICES_FILE = "services.json";
/** The kernel gives a process no larger environment. */
const MAX_SERVICES_BYTES = 2 * 1024 * 1024;

/** Carries out the steps of pods and reports by message. */
export interface PodRunner {
  run(step: Step, facts: PodFacts, send: (message: PodMessage) => void): Promise<void>;
}

/** Steps against the container runtime. */
export function createPodRunner(options: PodRunnerOptions): PodRunner {
  const { cri, now } = options;
  /** Each pod's volumes, from its `prepare`. */
  const volumePaths = new Map<string, ReadonlyMap<string, PreparedVolume>>();

  function sources(pod: Pod, ip: string, data: ReadonlyMap<string, KeyValues | undefined>): EnvironmentSources {
    const { node, allocatable } = options;
    return {
      nodeName: node.name,
      hostIP: node.address,
      podIP: pod.spec.hostNetwork ? node.address : ip,
      allocatable,
      services: new Map(),
      config: (kind, name) => data.get(`${kind}/${name}`),
    };
  }

  function surroundings(pod: Pod): PodSurroundings {
    const name = logDirectoryName(pod.metadata.namespace ?? "default", pod.metadata.name, pod.metadata.uid ?? "");
    return {
      cgroupParent: options.cgroupParent,
      logDirectory: join(options.logRoot, name),
      clusterDomain: options.clusterDomain,
      dns: dnsSettings(pod, options.dnsServers(), options.clusterDomain, options.hostDns),
    };
  }

  async function prepare(pod: Pod): Promise<StepResult> {
    const paths = await options.volumes.prepare(pod, sources(pod, "", new Map()));
    volumePaths.set(pod.metadata.uid ?? "", paths);
    options.live?.follow(pod);
    const { logDirectory } = surroundings(pod);
    const names = containersOf(pod).map((container) => container.name);
    await Promise.all(names.map((name) => mkdir(join(logDirectory, name), { recursive: true })));
    return {};
  }

  async function createSandbox(pod: Pod, attempt: number): Promise<StepResult> {
    const config = sandboxConfig(pod, attempt, surroundings(pod));
    const id = await options.gates.sandboxes.run(() => cri.runPodSandbox(config));
    const ip = pod.spec.hostNetwork ? options.node.address : ((await cri.podSandboxStatus(id)).network?.ip ?? "");
    await writeHosts(pod, ip);
    const sandbox: SandboxFact = { id, attempt, ready: true, ip, createdAt: now() };
    return { sandbox };
  }

  /** Without servers a container hears of the Services that its pod heard of before. */
  async function serviceLinks(pod: Pod): Promise<ReadonlyMap<string, string>> {
    const uid = pod.metadata.uid ?? "";
    const services = options.services();
    if (services === undefined) {
      const kept = await options.volumes.readFile(uid, SERVICES_FILE, MAX_SERVICES_BYTES);
      if (kept !== "") return new Map(JSON.parse(kept) as [string, string][]);
      throw new TriremeError(
        "ServiceUnavailable",
        "services have not yet been read at least once, cannot construct envs",
      );
    }
    const links = serviceEnvironment(pod, services);
    await options.volumes.writeFile(uid, SERVICES_FILE, JSON.stringify([...links]), 0o600);
    return links;
  }

  async function writeHosts(pod: Pod, ip: string): Promise<string> {
    const node = pod.spec.hostNetwork ? await readFile("/etc/hosts", "utf8").catch(() => "") : "";
    const text = hostsFile(pod, ip, options.clusterDomain, node);
    return options.volumes.writeFile(pod.metadata.uid ?? "", "hosts", text);
  }

  async function startContainer(
    pod: Pod,
    facts: PodFacts,
    step: Extract<Step, { type: "startContainer" }>,
  ): Promise<StepResult> {
    const container = containerNamed(pod, step.name);
    const id = step.createdId ?? (await create(pod, container, step, facts));
    options.onCreated(pod.metadata.uid ?? "", id, step.sandboxId);
    await options.gates.containers.run(() => cri.startContainer(id));
    options.events?.normal(pod, "Started", `Started container ${step.name}`);
    return { container: factOf(await cri.containerStatus(id), step.sandboxId) };
  }

  async function create(
    pod: Pod,
    container: Container,
    step: Extract<Step, { type: "startContainer" }>,
    facts: PodFacts,
  ): Promise<string> {
    const sandbox = facts.runtime.sandboxes[0]!;
    const data = new Map<string, KeyValues | undefined>();
    for (const { kind, name } of environmentNeeds(container)) {
      data.set(`${kind}/${name}`, await options.config.get(kind, pod.metadata.namespace ?? "default", name));
    }
    const imageUser = await imageUserOf(pod, container, step.imageRef);
    const uid = pod.metadata.uid ?? "";
    const links = await serviceLinks(pod);
    const env = environmentOf(pod, container, { ...sources(pod, sandbox.ip, data), services: links });
    const hosts = await writeHosts(pod, sandbox.ip);
    const last = await options.volumes.writeFile(uid, terminationFile(container.name, step.attempt), "", 0o666);
    const files = {
      "/etc/hosts": hosts,
      [container.terminationMessagePath ?? TERMINATION_PATH]: last,
    };
    const prepared = volumePaths.get(uid) ?? new Map<string, PreparedVolume>();
    const subPaths = await options.volumes.bindSubPaths(uid, container, prepared, env);
    const mounts = mountsOf(container, prepared, subPaths, files);
    const logPath = join(container.name, `${step.attempt}.log`);
    const around = surroundings(pod);
    await mkdir(join(around.logDirectory, container.name), { recursive: true });
    const { attempt, crashStep, imageRef } = step;
    const config = containerConfig(pod, container, {
      attempt,
      crashStep,
      imageRef,
      env,
      mounts,
      logPath,
      ...(imageUser === undefined ? {} : { imageUser }),
      ...targetOf(container, facts),
    });
    const sandboxed = sandboxConfig(pod, step.sandboxAttempt, around);
    return options.gates.containers.run(() => cri.createContainer(step.sandboxId, config, sandboxed));
  }

  /** Whom the image runs as, where that matters; refuses what `runAsNonRoot` forbids. */
  async function imageUserOf(pod: Pod, container: Container, imageRef: string): Promise<ImageUser | undefined> {
    const wanted = userWanted(pod, container);
    if (!wanted.matters) return undefined;
    const image = await cri.imageStatus(imageRef);
    const user = { name: image?.username ?? "", ...(image?.uid === undefined ? {} : { id: image.uid.value }) };
    const refusal = rootRefusal(wanted, user, container.name);
    if (refusal !== undefined) throw new TriremeError("Invalid", refusal);
    return user;
  }

  async function kill(
    facts: PodFacts,
    step: Extract<Step, { type: "kill" }>,
    send: (message: PodMessage) => void,
  ): Promise<void> {
    await Promise.all(
      step.containers.map(async (fact) => {
        if (facts.pod !== undefined) {
          options.events?.normal(facts.pod, "Killing", step.why ?? `Stopping container ${fact.name}`);
        }
        const spent = await preStop(facts, fact, step.graceSeconds);
        // What a slow hook has left of the grace period is never too short to end properly.
        const left = step.graceSeconds === 0 ? 0 : Math.max(AFTER_HOOK_SECONDS, step.graceSeconds - spent);
        await cri.stopContainer(fact.id, spent === 0 ? step.graceSeconds : left);
        const after = await readContainer(cri, fact.id, fact.sandboxId, options.lastWords);
        const container = after ?? { ...fact, state: "exited" as const, finishedAt: now(), exitCode: 137 };
        send({ type: "container", container, at: now() });
      }),
    );
  }

  /** Runs the hook within the grace period, if the container still runs, and answers the whole seconds that it took. */
  async function preStop(facts: PodFacts, fact: ContainerFact, graceSeconds: number): Promise<number> {
    const { pod } = facts;
    const container = pod === undefined ? undefined : findContainer(pod, fact.name);
    const handler = container?.lifecycle?.preStop;
    if (pod === undefined || container === undefined || handler === undefined || graceSeconds <= 0) return 0;
    if ((await readContainer(cri, fact.id, fact.sandboxId))?.state !== "running") return 0;
    const ip = facts.runtime.sandboxes[0]?.ip ?? "";
    const started = performance.now();
    const spent = (): number => Math.floor((performance.now() - started) / 1000);
    try {
      await runHook({ cri, container, handler, containerId: fact.id, ip, timeoutSeconds: graceSeconds });
    } catch (error) {
      options.log.warn("a preStop hook failed", { pod: pod.metadata.name, container: container.name, err: error });
      // One that merely took all the time is no failure, in kubelet's eyes.
      if (spent() < graceSeconds) options.events?.warning(pod, "FailedPreStopHook", "PreStopHook failed");
    }
    return spent();
  }

  async function postStart(pod: Pod, facts: PodFacts, fact: ContainerFact): Promise<boolean> {
    const container = containerNamed(pod, fact.name);
    const handler = container.lifecycle!.postStart!;
    const ip = facts.runtime.sandboxes[0]?.ip ?? "";
    try {
      await runHook({ cri, container, handler, containerId: fact.id, ip, timeoutSeconds: POST_START_SECONDS });
      return true;
    } catch (error) {
      options.log.warn("a postStart hook failed", { pod: pod.metadata.name, container: container.name, err: error });
      options.events?.warning(pod, "FailedPostStartHook", "PostStartHook failed");
      return false;
    }
  }

  function progressOf(pod: Pod, image: string): ImageProgress {
    const tell = (reason: string, message: string): void => options.events?.normal(pod, reason, message);
    return {
      present: () => tell("Pulled", `Container image "${image}" already present on machine`),
      pulling: () => tell("Pulling", `Pulling image "${image}"`),
      pulled: (seconds) => tell("Pulled", `Successfully pulled image "${image}" in ${seconds.toFixed(1)}s`),
    };
  }

  function tellOfFailedImage(pod: Pod, fact: Extract<ImageFact, { state: "failed" }>): void {
    const { reason, message } = fact;
    const names = { ErrImagePull: "Failed", ErrImageNeverPull: "ErrImageNeverPull", InvalidImageName: "InspectFailed" };
    options.events?.warning(pod, names[reason], message);
    options.events?.warning(pod, "Failed", `Error: ${reason}`);
  }

  async function forget(facts: PodFacts): Promise<void> {
    const { uid, namespace, name } = facts.runtime;
    await options.live?.drop(uid);
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
        const fact = await options.images.ensure(step.image, step.policy, step.failures, progressOf(pod!, step.image));
        if (fact.state === "failed") tellOfFailedImage(pod!, fact);
        send({ type: "image", image: step.image, fact, at: now() });
        return undefined;
      }
      case "kill":
        await kill(facts, step, send);
        return {};
      case "postStart": {
        const { container } = step;
        send({ type: "hook", containerId: container.id, ok: await postStart(pod!, facts, container), at: now() });
        return undefined;
      }
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
          const text = step.type === "startContainer" ? `Error: ${error.message}` : error.message;
          options.events?.warning(facts.pod, eventReason(step), text);
        }
        send({ type: "failed", step, reason, message: error.message, at: now() });
      }
    },
  };
}

function containerNamed(pod: Pod, name: string): Container {
  return findContainer(pod, name)!;
}

/** The container whose processes an ephemeral one wants to see. */
function targetOf(container: EphemeralContainer, { runtime }: PodFacts): { readonly targetId?: string } {
  const name = container.targetContainerName ?? "";
  if (name === "") return {};
  const target = newestOf(runtime, name);
  if (target !== undefined && isRunning(target)) return { targetId: target.id };
  throw new TriremeError("Invalid", `unable to find target container "${name}": it is not running`);
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
