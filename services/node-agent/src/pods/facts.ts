import type { Pod } from "@trireme/api";

/** One container as the runtime last showed it. Times are milliseconds since the epoch, 0 when not yet. */
export interface ContainerFact {
  readonly id: string;
  readonly name: string;
  /** Counts instances of this name in this pod, from 0: the Kubernetes restart count. */
  readonly attempt: number;
  readonly sandboxId: string;
  readonly state: "created" | "running" | "exited" | "unknown";
  readonly createdAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly image: string;
  readonly imageRef: string;
  /** Place in the row of crash delays at which this instance was started; kept in an annotation of the container. */
  readonly crashStep: number;
}

/** One sandbox as the runtime last showed it. */
export interface SandboxFact {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  readonly ip: string;
  readonly createdAt: number;
}

/** What the runtime holds of one pod: newest sandbox first, newest instance of each container first. */
export interface RuntimePod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly sandboxes: readonly SandboxFact[];
  readonly containers: readonly ContainerFact[];
}

/** What is known of an image that a pod needs. */
export type ImageFact =
  | { readonly state: "pulling" }
  | { readonly state: "present"; readonly ref: string }
  | {
      readonly state: "failed";
      readonly reason: "ErrImagePull" | "ErrImageNeverPull" | "InvalidImageName";
      readonly message: string;
      readonly failures: number;
      readonly failedAt: number;
      readonly retryAt: number;
    };

/** So long a failed pull is shown as such; then, until the next try, as waiting for it. */
export const PULL_FAILURE_SHOWN_MS = 2000;

/** A step that failed and when to try it again. */
export interface FailureFact {
  readonly reason: string;
  readonly message: string;
  readonly failures: number;
  readonly retryAt: number;
}

/** What the probes of one running container have found. Undefined: nothing yet, so what was reported before stays. */
export interface ProbeFact {
  /** The startup probe has succeeded, or there is none. */
  readonly started: boolean | undefined;
  readonly ready: boolean | undefined;
  /** Set once liveness or startup has failed for good: the container must be killed. */
  readonly failed?: "startup" | "liveness";
}

/** The postStart hook of one running container. A container whose hook has not ended is not Running yet. */
export type HookFact = "running" | "done" | "failed";

/** How a pod has ended. */
export interface EndFact {
  readonly phase: "Succeeded" | "Failed";
  /** Why, when it was not its containers that decided. */
  readonly reason?: string;
  readonly message?: string;
}

/** Everything from which the next step of a pod follows. */
export interface PodFacts {
  /** What the API wants; undefined for an orphan, which is known by its runtime labels alone. */
  readonly pod: Pod | undefined;
  /** The API does not have this pod (any more): nothing of it may stay. */
  readonly gone: boolean;
  readonly runtime: RuntimePod;
  /** Directories, volumes, hosts file exist; or why not. */
  readonly prepared: boolean;
  /** By image name. */
  readonly images: Readonly<Record<string, ImageFact>>;
  /** By container name; the empty name stands for the pod's own steps. */
  readonly failures: Readonly<Record<string, FailureFact>>;
  /** By container id. */
  readonly probes: Readonly<Record<string, ProbeFact>>;
  /** By container id: its postStart hook; absent: none that this agent has begun. */
  readonly hooks: Readonly<Record<string, HookFact>>;
  /** By container id: when the runtime will use SIGKILL at the latest. */
  readonly killing: Readonly<Record<string, number>>;
  /**
   * Being taken out of rotation: `due` when that is to begin. Until it is over nothing of the pod is told to end, and its
   * grace period has not begun.
   */
  readonly drain: "due" | "waiting" | "over" | undefined;
  /** When a node took the pod on, in milliseconds: its start time, from which `activeDeadlineSeconds` counts. */
  readonly acceptedAt: number;
  /** When the grace period began: when this agent saw that the pod is to end, or when it was drained; 0 before. */
  readonly endingSince: number;
  /** The API object has been removed by us, or was never there. */
  readonly finalized: boolean;
  /** The pod has ended for good; never unset. */
  readonly ended: EndFact | undefined;
  /** When this agent found so; 0 before. */
  readonly endedAt: number;
}

/** An empty pod, of which the runtime has nothing. */
export function emptyRuntimePod(uid: string, namespace: string, name: string): RuntimePod {
  return { uid, namespace, name, sandboxes: [], containers: [] };
}

/** The newest instance of a container. */
export function newestOf(runtime: RuntimePod, name: string): ContainerFact | undefined {
  return runtime.containers.find((container) => container.name === name);
}

/** The instance before the newest. */
export function previousOf(runtime: RuntimePod, name: string): ContainerFact | undefined {
  return runtime.containers.filter((container) => container.name === name)[1];
}
