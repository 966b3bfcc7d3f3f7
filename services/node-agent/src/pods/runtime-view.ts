import type { Container, ContainerStatus, Cri, PodSandbox } from "@trireme/cri";
import { ContainerState, PodSandboxState } from "@trireme/cri";
import type { ContainerFact, RuntimePod, SandboxFact } from "./facts.ts";
import { CRASH_STEP, POD_NAME, POD_NAMESPACE, POD_UID, TERMINATION_POLICY } from "./labels.ts";

const STATES = {
  [ContainerState.CONTAINER_CREATED]: "created",
  [ContainerState.CONTAINER_RUNNING]: "running",
  [ContainerState.CONTAINER_EXITED]: "exited",
  [ContainerState.CONTAINER_UNKNOWN]: "unknown",
} as const;

const millis = (nanos: bigint): number => Number(nanos / 1_000_000n);

/** A container's fact from its full status. */
export function factOf(status: ContainerStatus, sandboxId: string): ContainerFact {
  return {
    id: status.id,
    name: status.metadata?.name ?? "",
    attempt: status.metadata?.attempt ?? 0,
    sandboxId,
    state: STATES[status.state],
    createdAt: millis(status.createdAt),
    startedAt: millis(status.startedAt),
    finishedAt: millis(status.finishedAt),
    exitCode: status.exitCode,
    // containerd says "Completed" and "Error" itself; only OOMKilled, StartError and the like add to the exit code.
    reason: status.reason,
    message: status.message,
    image: status.image?.image ?? "",
    imageRef: status.imageRef,
    crashStep: Number(status.annotations[CRASH_STEP] ?? "0"),
  };
}

/** What a container that ended left behind as its last words: its file, or the end of its log. */
export interface Ended {
  readonly uid: string;
  readonly fact: ContainerFact;
  /** Its log, where the policy says that it may stand in for the file; empty otherwise. */
  readonly logPath: string;
}

/** Reads the last words of a container. */
export type LastWords = (ended: Ended) => Promise<string>;

/** Reads one container's fact; undefined when the runtime no longer has it. */
export async function readContainer(
  cri: Cri,
  id: string,
  sandboxId: string,
  lastWords?: LastWords,
): Promise<ContainerFact | undefined> {
  try {
    const status = await cri.containerStatus(id);
    const fact = factOf(status, sandboxId);
    if (fact.state !== "exited" || lastWords === undefined) return fact;
    const fallback = fact.exitCode !== 0 && status.annotations[TERMINATION_POLICY] === "FallbackToLogsOnError";
    const words = await lastWords({
      uid: status.labels[POD_UID] ?? "",
      fact,
      logPath: fallback ? status.logPath : "",
    });
    // What the container wrote itself says more than what the runtime says of its end.
    return words === "" ? fact : { ...fact, message: words };
  } catch (error) {
    if ((error as { code?: string }).code === "NotFound") return undefined;
    throw error;
  }
}

/** How the runtime is read. */
export interface ReadOptions {
  /** Only this pod. */
  readonly uid?: string;
  readonly lastWords?: LastWords;
  /** The address of a sandbox, which never changes, if it has been read before. */
  readonly knownIp?: (sandboxId: string) => string | undefined;
}

/**
 * The truth about all pods (or the one of `uid`), from the runtime's lists. Exited containers need one status call
 * each for their exit codes; `known` saves those whose end has been read before.
 */
export async function readRuntime(
  cri: Cri,
  known: (containerId: string) => ContainerFact | undefined,
  options: ReadOptions = {},
): Promise<Map<string, RuntimePod>> {
  const { uid, lastWords } = options;
  const labelSelector: Record<string, string> = uid === undefined ? {} : { [POD_UID]: uid };
  const [sandboxes, containers] = await Promise.all([
    cri.listPodSandbox({ labelSelector }),
    cri.listContainers({ labelSelector }),
  ]);
  const pods = new Map<string, { meta: PodSandbox; sandboxes: SandboxFact[]; containers: ContainerFact[] }>();
  const bySandbox = new Map<string, string>();
  for (const sandbox of sandboxes) {
    const podUid = sandbox.labels[POD_UID] ?? sandbox.metadata?.uid;
    if (podUid === undefined || podUid === "") continue;
    bySandbox.set(sandbox.id, podUid);
    const pod = pods.get(podUid) ?? { meta: sandbox, sandboxes: [], containers: [] };
    pods.set(podUid, pod);
    pod.sandboxes.push(await sandboxFact(cri, sandbox, options.knownIp?.(sandbox.id)));
  }
  for (const container of containers) {
    const pod = pods.get(bySandbox.get(container.podSandboxId) ?? "");
    const fact = await containerFact(cri, container, known(container.id), lastWords);
    if (pod !== undefined && fact !== undefined) pod.containers.push(fact);
  }
  const out = new Map<string, RuntimePod>();
  for (const [podUid, { meta, ...pod }] of pods) {
    out.set(podUid, {
      uid: podUid,
      namespace: meta.labels[POD_NAMESPACE] ?? meta.metadata?.namespace ?? "",
      name: meta.labels[POD_NAME] ?? meta.metadata?.name ?? "",
      sandboxes: pod.sandboxes.toSorted((a, b) => b.attempt - a.attempt),
      containers: pod.containers.toSorted((a, b) => b.attempt - a.attempt),
    });
  }
  return out;
}

async function sandboxFact(cri: Cri, sandbox: PodSandbox, ip: string | undefined): Promise<SandboxFact> {
  const ready = sandbox.state === PodSandboxState.SANDBOX_READY;
  const base = { id: sandbox.id, attempt: sandbox.metadata?.attempt ?? 0, createdAt: millis(sandbox.createdAt) };
  if (!ready) return { ...base, ready, ip: "" };
  if (ip !== undefined && ip !== "") return { ...base, ready, ip };
  const status = await cri.podSandboxStatus(sandbox.id).catch(() => undefined);
  return { ...base, ready: status !== undefined, ip: status?.network?.ip ?? "" };
}

async function containerFact(
  cri: Cri,
  container: Container,
  known: ContainerFact | undefined,
  lastWords: LastWords | undefined,
): Promise<ContainerFact | undefined> {
  const state = STATES[container.state];
  if (known !== undefined && known.state === state && state !== "unknown") return known;
  return readContainer(cri, container.id, container.podSandboxId, lastWords);
}
