import type { EndpointSlice } from "@trireme/api";

/** A pod that waits to be out of rotation, in milliseconds of a monotonic clock. */
export interface Drain {
  readonly uid: string;
  readonly since: number;
  /**
   * The slices that list the pod, by `<namespace>/<name>`: the first revision at which each took it out of rotation, or
   * undefined while it has not. The first and not the newest: in a rollout the newest would run away from every proxy.
   */
  readonly slices: Readonly<Record<string, number | undefined>>;
}

/** The proxy of a node that is Ready, as it was last heard. */
export interface ProxyHeard {
  readonly node: string;
  /** Never: `-Infinity`. */
  readonly heardAt: number;
  /** The newest revision it said it has applied, by slice. */
  readonly applied: ReadonlyMap<string, number>;
}

/** What is known while a pod drains. */
export interface DrainSeen {
  /** Every slice; undefined while they have not been listed yet. */
  readonly slices: readonly EndpointSlice[] | undefined;
  readonly proxies: readonly ProxyHeard[];
  readonly now: number;
}

/** Whether a pod may be told to end, and why; or until when it must wait at the latest. */
export type DrainVerdict =
  | { readonly type: "wait"; readonly until: number }
  | {
      readonly type: "go";
      readonly why: "unlisted" | "acknowledged" | "late";
      /** Nodes that have not acknowledged. */
      readonly behind: readonly string[];
    };

/**
 * The longest that a pod waits for proxies. It is outside the grace period, so it is what a broken bus may add to every
 * end; and an apiserver watch, the way without a bus, brings a change to all nodes well within it.
 */
export const MAX_DRAIN_MS = 2000;
/** A proxy speaks each second; one that missed three times says nothing about what it has applied. */
export const HEARD_WITHIN_MS = 3000;

/** A pod begins to drain. */
export function startDrain(uid: string, now: number): Drain {
  return { uid, since: now, slices: {} };
}

/**
 * What follows for a draining pod from what is seen. A Ready node that is not heard cannot be known to be up to date,
 * and its proxy may well be at work: then the full time is waited, which its own watch of the API needs far less of.
 */
export function drainStep(drain: Drain, seen: DrainSeen): { readonly drain: Drain; readonly verdict: DrainVerdict } {
  const { now } = seen;
  const deadline = drain.since + MAX_DRAIN_MS;
  const next = seen.slices === undefined ? drain : { ...drain, slices: follow(drain, seen.slices) };
  const wanted = Object.entries(next.slices);
  if (seen.slices !== undefined && wanted.length === 0) {
    return { drain: next, verdict: { type: "go", why: "unlisted", behind: [] } };
  }
  const behind = seen.proxies.filter((proxy) => !isPast(proxy, wanted, now)).map((proxy) => proxy.node);
  if (seen.slices !== undefined && behind.length === 0 && wanted.every(([, revision]) => revision !== undefined)) {
    return { drain: next, verdict: { type: "go", why: "acknowledged", behind } };
  }
  if (now >= deadline) return { drain: next, verdict: { type: "go", why: "late", behind } };
  return { drain: next, verdict: { type: "wait", until: deadline } };
}

function isPast(proxy: ProxyHeard, wanted: readonly (readonly [string, number | undefined])[], now: number): boolean {
  if (now - proxy.heardAt > HEARD_WITHIN_MS) return false;
  return wanted.every(([key, revision]) => revision !== undefined && (proxy.applied.get(key) ?? 0) >= revision);
}

function follow(drain: Drain, slices: readonly EndpointSlice[]): Record<string, number | undefined> {
  const out: Record<string, number | undefined> = {};
  for (const slice of slices) {
    const key = sliceKey(slice);
    const endpoint = slice.endpoints?.find((one) => one.targetRef?.uid === drain.uid);
    const known = key in drain.slices;
    if (endpoint === undefined && !known) continue;
    // Ready or not: only the mark says that its controller has seen the end, and that no later slice brings it back.
    const inRotation = endpoint !== undefined && endpoint.conditions?.terminating !== true;
    out[key] = drain.slices[key] ?? (inRotation ? undefined : revisionOf(slice));
  }
  return out;
}

/** The name of a slice in acknowledgements. */
export function sliceKey(slice: EndpointSlice): string {
  return `${slice.metadata.namespace ?? ""}/${slice.metadata.name}`;
}

/** The revision of a slice. */
export function revisionOf(slice: EndpointSlice): number {
  return Number(slice.metadata.resourceVersion ?? 0);
}
