import { TriremeError } from "@trireme/base";
import { type KubeObject, type Namespace, type Pod, type Resource, conflict } from "@trireme/api";
import type { DeletionOptions } from "../pipeline/request.ts";
import { rfc3339 } from "./metadata.ts";

/** What a delete does to an object: removes it, or marks it and leaves the end to others. */
export type Deletion =
  | { readonly kind: "remove" }
  | { readonly kind: "mark"; readonly next: KubeObject }
  | { readonly kind: "nothing" };

const FOREGROUND = "foregroundDeletion";
const ORPHAN = "orphan";

/** Namespaces that everything else rests on. Kubernetes lets the nodes' leases go and makes their namespace again. */
const IMMORTAL_NAMESPACES = new Set(["default", "kube-system", "kube-public", "kube-node-lease"]);

/** Decides what a delete of this object does now. Throws on a broken precondition. */
export function decideDeletion(
  resource: Resource,
  current: KubeObject,
  options: DeletionOptions,
  nowMs: number,
): Deletion {
  checkPreconditions(resource, current, options);
  if (resource.resource === "namespaces" && IMMORTAL_NAMESPACES.has(current.metadata.name!)) {
    throw new TriremeError(
      "Forbidden",
      `namespaces "${current.metadata.name}" is forbidden: this namespace may not be deleted`,
    );
  }
  const finalizers = finalizersFor(current, options.propagationPolicy);
  const grace = graceOf(resource, current, options.gracePeriodSeconds);
  const marked = current.metadata.deletionTimestamp !== undefined;
  const next = mark(resource, current, finalizers, grace, nowMs);
  if (isFinished(resource, next)) return { kind: "remove" };
  const sameFinalizers = finalizers.join() === (current.metadata.finalizers ?? []).join();
  const isShorter = grace < (current.metadata.deletionGracePeriodSeconds ?? 0);
  // A second delete may hurry the first, never slow it down.
  if (marked && !isShorter && sameFinalizers) return { kind: "nothing" };
  return { kind: "mark", next };
}

/** Whether nothing holds a marked object any more, so that the write that found this out removes it. */
export function isFinished(resource: Resource, object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  if (deletionTimestamp === undefined || (finalizers ?? []).length > 0) return false;
  if (resource.resource === "namespaces" && ((object as Namespace).spec?.finalizers ?? []).length > 0) return false;
  return (deletionGracePeriodSeconds ?? 0) === 0;
}

function checkPreconditions(resource: Resource, current: KubeObject, options: DeletionOptions): void {
  const { name, uid, resourceVersion } = current.metadata;
  const broken = (field: string, wanted: string, have: string | undefined): never => {
    const why = `Precondition failed: ${field} in precondition: ${wanted}, ${field} in object meta: ${have}`;
    throw conflict(resource, name!, why);
  };
  if (options.uid !== undefined && options.uid !== uid) broken("UID", options.uid, uid);
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    broken("ResourceVersion", options.resourceVersion, resourceVersion);
  }
}

function finalizersFor(current: KubeObject, policy: string | undefined): string[] {
  const others = (current.metadata.finalizers ?? []).filter((one) => one !== FOREGROUND && one !== ORPHAN);
  switch (policy) {
    case undefined:
      return current.metadata.finalizers ?? [];
    case "Background":
      return others;
    case "Foreground":
      return [...others, FOREGROUND];
    case "Orphan":
      return [...others, ORPHAN];
    default:
      throw new TriremeError(
        "Invalid",
        `DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "${policy}": supported values: "Foreground", "Background", "Orphan"`,
      );
  }
}

/** Only a pod on a node takes time to end: its node's agent ends it and then deletes it without grace. */
function graceOf(resource: Resource, current: KubeObject, asked: number | undefined): number {
  if (resource.resource !== "pods") return 0;
  const pod = current as Pod;
  const isOver = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
  if ((pod.spec?.nodeName ?? "") === "" || isOver) return 0;
  const grace = asked ?? pod.spec?.terminationGracePeriodSeconds ?? 30;
  if (!Number.isInteger(grace)) throw new TriremeError("BadRequest", "gracePeriodSeconds must be a whole number");
  // Kubernetes takes a negative period for one second.
  return grace < 0 ? 1 : grace;
}

function mark(resource: Resource, current: KubeObject, finalizers: string[], asked: number, nowMs: number): KubeObject {
  const { metadata } = current;
  const held = metadata.deletionTimestamp === undefined ? undefined : metadata.deletionGracePeriodSeconds;
  const isNew = held === undefined;
  const grace = isNew ? asked : Math.min(held, asked);
  const hasChanged = isNew || grace !== held;
  const next: KubeObject = {
    ...current,
    metadata: {
      ...metadata,
      finalizers,
      ...(hasChanged ? { deletionTimestamp: rfc3339(nowMs + grace * 1000), deletionGracePeriodSeconds: grace } : {}),
      ...(isNew && metadata.generation !== undefined ? { generation: metadata.generation + 1 } : {}),
    },
  };
  if (finalizers.length === 0) delete next.metadata.finalizers;
  if (resource.resource !== "namespaces") return next;
  return { ...next, status: { ...(current as Namespace).status, phase: "Terminating" } } as KubeObject;
}
