import {
  type KubeObject,
  type LabelSelector,
  type Node,
  type OwnerReference,
  type Pod,
  type Resource,
  apiVersionOf,
  labelSelectorMatches,
} from "@trireme/api";

/** The owner that controls an object; at most one does. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** A reference by which `owner` controls another object, and is not removed in the foreground before it. */
export function controllerReference(resource: Resource, owner: KubeObject): OwnerReference {
  return {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** The object with its apiVersion and kind, which items of lists leave out: writes and events need them. */
export function withKind<T extends KubeObject>(resource: Resource<T>, object: T): T {
  return { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
}

/** What a controller does about the objects that its selector or its uid points at. */
export interface Claim<T> {
  /** Owned and selected. */
  readonly owned: readonly T[];
  /** Selected and without a controller: to be adopted. */
  readonly adopt: readonly T[];
  /** Owned, but no longer selected: to be released. */
  readonly release: readonly T[];
}

/** Sorts candidates by whether `owner` controls them and selects them. A dying owner adopts and releases nothing. */
export function claim<T extends KubeObject>(
  owner: KubeObject,
  selector: LabelSelector,
  candidates: readonly T[],
): Claim<T> {
  const owned: T[] = [];
  const adopt: T[] = [];
  const release: T[] = [];
  const ownerLives = owner.metadata.deletionTimestamp === undefined;
  for (const candidate of candidates) {
    const controller = controllerOf(candidate);
    const selected = labelSelectorMatches(selector, candidate.metadata.labels);
    if (controller !== undefined) {
      if (controller.uid !== owner.metadata.uid) continue;
      if (selected || !ownerLives) owned.push(candidate);
      else release.push(candidate);
    } else if (selected && ownerLives && candidate.metadata.deletionTimestamp === undefined) {
      adopt.push(candidate);
    }
  }
  return { owned, adopt, release };
}

/** Whether a pod runs or is still to run: not finished and not on its way out. */
export function isActive(pod: Pod): boolean {
  return !isFinished(pod) && pod.metadata.deletionTimestamp === undefined;
}

/** Whether every container of a pod has ended for good. */
export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** Whether the pod's agent says that it may get traffic. */
export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false;
}

/** Whether a node has fallen silent: what it last said of itself and its pods is no longer known to be true. */
export function isLost(node: Node | undefined): boolean {
  return node?.status?.conditions?.some((one) => one.type === "Ready" && one.status === "Unknown") ?? false;
}

/** Milliseconds until a ready pod has been ready for `minReadySeconds`: 0 means available, undefined not ready. */
export function msUntilAvailable(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  const ready = pod.status?.conditions?.find((one) => one.type === "Ready" && one.status === "True");
  if (ready === undefined) return undefined;
  if (minReadySeconds === 0) return 0;
  if (ready.lastTransitionTime === undefined) return undefined;
  return Math.max(0, Date.parse(ready.lastTransitionTime) + minReadySeconds * 1000 - now);
}
