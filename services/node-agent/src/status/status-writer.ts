import type { Pod, PodStatus } from "@trireme/api";
import { PODS } from "@trireme/api";
import type { Clock } from "@trireme/base";
import { errorFrom, hasCode } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import type { Logger } from "@trireme/telemetry";
import { createGate } from "../pods/gate.ts";
import type { StatusSink } from "./status-sink.ts";
import { patienceMs } from "./urgency.ts";

/** Status writes in flight at once: enough for a burst of starts, few enough to leave the apiserver to others. */
const MAX_WRITES = 16;
/** Pause after a failed write: short after a conflict, and neither hurried nor given up while the API is away. */
const RETRY_FIRST_MS = 20;
const RETRY_LAST_MS = 5000;

interface Slot {
  /** Ends the wait of a status that had time. */
  hurry: (() => void) | undefined;
  pod: Pod;
  wanted: PodStatus | undefined;
  writing: boolean;
  failures: number;
  /** The newest object that an answer showed us: its resourceVersion saves a read before the next write. */
  latest: Pod | undefined;
}

/** Where the newest known object of a pod is: the informer's. */
export type PodLookup = (namespace: string, name: string) => Pod | undefined;

/**
 * Writes statuses to the API: per pod one write at a time and always the newest status, so that a burst of changes
 * costs one write. Every write names the uid and the resourceVersion that it was made for.
 */
export function apiStatusSink(options: {
  readonly client: ApiClient;
  readonly lookup: PodLookup;
  readonly clock: Clock;
  readonly log: Logger;
}): StatusSink {
  const { client, clock, log } = options;
  const slots = new Map<string, Slot>();
  const gate = createGate(MAX_WRITES);

  async function drain(uid: string, slot: Slot): Promise<void> {
    if (slot.writing) return;
    slot.writing = true;
    try {
      while (slot.wanted !== undefined) {
        await patience(slot);
        const status = slot.wanted;
        if (status === undefined) break;
        const settled = await gate.run(() => write(slot, slot.wanted ?? status));
        if (settled) {
          slot.failures = 0;
          continue;
        }
        slot.failures += 1;
        const pause = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(slot.failures - 1, 10));
        await new Promise<void>((resolve) => clock.after(pause, resolve));
      }
    } finally {
      slot.writing = false;
      if (slot.latest === undefined) slots.delete(uid);
    }
  }

  /** Waits as long as the wanted status has time; a newer one that has none ends the wait. */
  async function patience(slot: Slot): Promise<void> {
    const wait = patienceOf(slot);
    if (wait === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(wait, resolve);
      slot.hurry = () => {
        cancel();
        resolve();
      };
    });
    slot.hurry = undefined;
  }

  /** Answers whether this status is settled: written, or without a pod to be written to. */
  async function write(slot: Slot, status: PodStatus): Promise<boolean> {
    const { namespace, name, uid } = slot.pod.metadata;
    const pods = client.resource<Pod>(PODS, namespace ?? "default");
    try {
      const base = newest(slot, options.lookup(namespace ?? "default", name)) ?? (await pods.get(name));
      if (base.metadata.uid !== uid) {
        if (slot.wanted === status) slot.wanted = undefined;
        return true;
      }
      slot.latest = await pods.updateStatus({ ...base, status: withForeign(status, base.status) });
      if (slot.wanted === status) slot.wanted = undefined;
      return true;
    } catch (error) {
      slot.latest = undefined;
      if (hasCode(error, "NotFound")) {
        slot.wanted = undefined;
        return true;
      }
      if (hasCode(error, "Conflict")) {
        // Someone else wrote: the next try starts from what is there now.
        slot.latest = await pods.get(name).catch(() => undefined);
        return false;
      }
      log.warn("a status could not be written", { pod: `${namespace}/${name}`, err: error });
      return false;
    }
  }

  function drop(uid: string): void {
    const slot = slots.get(uid);
    slots.delete(uid);
    if (slot === undefined) return;
    slot.wanted = undefined;
    slot.hurry?.();
  }

  return {
    forget: drop,
    report(pod, status) {
      const uid = pod.metadata.uid ?? "";
      const slot = slots.get(uid) ?? newSlot(pod);
      slots.set(uid, slot);
      slot.pod = pod;
      slot.wanted = status;
      if (patienceOf(slot) === 0) slot.hurry?.();
      void drain(uid, slot).catch((error: unknown) => log.error("status writer failed", { err: error }));
    },
    async remove(pod) {
      const { namespace, name, uid } = pod.metadata;
      drop(uid ?? "");
      try {
        const preconditions = uid === undefined ? {} : { preconditions: { uid } };
        await client
          .resource<Pod>(PODS, namespace ?? "default")
          .delete(name, { gracePeriodSeconds: 0, ...preconditions });
      } catch (error) {
        if (hasCode(error, "NotFound") || hasCode(error, "Conflict")) return;
        throw errorFrom(error);
      }
    },
  };
}

function newSlot(pod: Pod): Slot {
  return { pod, wanted: undefined, writing: false, failures: 0, latest: undefined, hurry: undefined };
}

function patienceOf(slot: Slot): number {
  // What failed once has waited enough.
  if (slot.wanted === undefined || slot.failures > 0) return 0;
  const ending = slot.pod.metadata.deletionTimestamp !== undefined;
  return patienceMs((slot.latest ?? slot.pod).status, slot.wanted, ending);
}

/** The newer of what the informer shows and what our last write answered. */
function newest(slot: Slot, seen: Pod | undefined): Pod | undefined {
  const uid = slot.pod.metadata.uid;
  const candidates = [slot.latest, seen, slot.pod].filter((pod) => pod?.metadata.uid === uid && pod !== undefined);
  const version = (pod: Pod | undefined): number => Number(pod?.metadata.resourceVersion ?? "0");
  return candidates.toSorted((a, b) => version(b) - version(a))[0];
}

/** Condition types that other actors write (PodScheduled, readiness gates) are kept as they are in the API now. */
function withForeign(status: PodStatus, current: PodStatus | undefined): PodStatus {
  const ours = new Set((status.conditions ?? []).map((condition) => condition.type));
  const foreign = (current?.conditions ?? []).filter((condition) => !ours.has(condition.type));
  return { ...status, conditions: [...(status.conditions ?? []), ...foreign] };
}
