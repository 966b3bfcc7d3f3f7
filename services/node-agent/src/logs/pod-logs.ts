import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@trireme/api";
import { TriremeError } from "@trireme/base";
import type { LogsRequest } from "@trireme/proto/trireme/node/v1/node";
import { logDirectoryName } from "../pods/cri-config.ts";
import { containersOf } from "../pods/containers.ts";
import type { ContainerFact } from "../pods/facts.ts";
import type { LogOptions } from "./log-reader.ts";
import { readLog } from "./log-reader.ts";

/** What a log is looked up in. */
export interface PodLogsOptions {
  readonly logRoot: string;
  readonly pod: (namespace: string, name: string) => Pod | undefined;
  /** The instances of a pod's containers, newest first, as the runtime shows them now. */
  readonly containers: (uid: string) => Promise<readonly ContainerFact[]>;
  readonly now: () => number;
}

/** Finds a container's log and streams it. */
export function podLogs(options: PodLogsOptions): (request: LogsRequest, signal: AbortSignal) => AsyncIterable<Buffer> {
  return async function* logs(request, signal) {
    const pod = options.pod(request.namespace, request.pod);
    const named = `pod "${request.pod}"`;
    if (pod === undefined || (request.podUid !== "" && request.podUid !== pod.metadata.uid)) {
      throw new TriremeError("NotFound", `${named} is not on this node`);
    }
    const names = containersOf(pod).map((container) => container.name);
    const name =
      request.container === "" && pod.spec.containers.length === 1 ? pod.spec.containers[0]!.name : request.container;
    if (name === "") {
      const choices = `choose one of: [${names.join(" ")}]`;
      throw new TriremeError("BadRequest", `a container name must be specified for ${named}, ${choices}`);
    }
    if (!names.includes(name)) throw new TriremeError("BadRequest", `container ${name} is not valid for ${named}`);
    const uid = pod.metadata.uid ?? "";
    const all = (await options.containers(uid)).filter((container) => container.name === name);
    const found = chooseInstance(pod, name, all, request.previous);
    const directory = join(options.logRoot, logDirectoryName(request.namespace, request.pod, uid), name);
    const path = join(directory, `${found.attempt}.log`);
    await access(path).catch(() => {
      throw new TriremeError("NotFound", `the log of container "${name}" in ${named} is gone`);
    });
    const since =
      request.sinceTimeMs ??
      (request.sinceSeconds === undefined ? undefined : BigInt(options.now()) - request.sinceSeconds * 1000n);
    const wanted: LogOptions = {
      follow: request.follow && found.state === "running",
      timestamps: request.timestamps,
      ...(request.tailLines === undefined ? {} : { tailLines: Number(request.tailLines) }),
      ...(since === undefined ? {} : { sinceMs: Number(since) }),
      ...(request.limitBytes === undefined ? {} : { limitBytes: Number(request.limitBytes) }),
    };
    const ended = async (): Promise<boolean> => {
      const now = (await options.containers(uid)).find((container) => container.id === found.id);
      return now === undefined || now.state !== "running";
    };
    yield* readLog(path, wanted, everyOther(ended), signal);
  };
}

/**
 * The instance whose log is meant; throws kubelet's sentence when there is none. `all` is newest first. While a container
 * waits for its next life its last one can be read with and without `--previous`. Pure.
 */
export function chooseInstance(
  pod: Pod,
  name: string,
  all: readonly ContainerFact[],
  previous: boolean,
): ContainerFact {
  const named = `pod "${pod.metadata.name}"`;
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  const statuses = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses];
  const status = statuses.find((one) => one.name === name);
  const begun = all.filter((instance) => instance.state !== "created");
  const newest = begun[0];
  if (previous) {
    const waits = newest?.state === "exited" && (newest !== all[0] || status?.state?.waiting !== undefined);
    const former = waits ? newest : begun[1];
    if (former !== undefined) return former;
    throw new TriremeError("BadRequest", `previous terminated container "${name}" in ${named} not found`);
  }
  if (newest !== undefined) return newest;
  const reason = status?.state?.waiting?.reason ?? "ContainerCreating";
  const why = WAITING[reason] ?? reason;
  throw new TriremeError("BadRequest", `container "${name}" in ${named} is waiting to start: ${why}`);
}

const WAITING: Readonly<Record<string, string>> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: "trying and failing to pull image",
};

/** Asking the runtime at each look would cost a call per follower and poll: a second's delay at the end is fine. */
const ASK_EVERY_MS = 1000;

function everyOther(ask: () => Promise<boolean>): () => Promise<boolean> {
  let last = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - last < ASK_EVERY_MS) return false;
    last = performance.now();
    return ask();
  };
}
