import { lstat } from "node:fs/promises";
import { HOSTNAME_LABEL, LOCAL_PATH_FINALIZER, PERSISTENTVOLUMES, type PersistentVolume } from "@trireme/api";
import type { Clock } from "@trireme/base";
import { TriremeError, errorFrom, hasCode } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import type { Informer } from "@trireme/controller";
import type { Logger } from "@trireme/telemetry";
import { localPathOf } from "./claims.ts";
import { mountsBelow, removeTree } from "./mounts.ts";

/** Keeps a volume for as long as a claim is bound to it. */
const VOLUME_PROTECTION = "kubernetes.io/pv-protection";
/** Pauses between attempts of one volume: it waits for a pod's end, or for the API. */
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 30_000;

/** What the reclaimer works with. */
export interface ReclaimerOptions {
  readonly client: ApiClient;
  readonly volumes: Informer<PersistentVolume>;
  readonly node: string;
  readonly localPathRoot: string;
  /** Paths that pods of this node may still use. */
  readonly pathsInUse: () => Promise<ReadonlySet<string>>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Follows the volumes of its node until it is stopped. */
export interface Reclaimer {
  /** A pod has left the node: what waited for it need not wait any longer. */
  poke(): void;
  stop(): void;
}

/** What is left to do for a volume of this node. Pure. */
export function reclaimStep(volume: PersistentVolume, node: string): "nothing" | "release" | "remove" {
  const { labels, deletionTimestamp, finalizers = [] } = volume.metadata;
  if (labels?.[HOSTNAME_LABEL] !== node || deletionTimestamp === undefined) return "nothing";
  // The controllers give up theirs once the API itself has no claim that is bound to it.
  if (!finalizers.includes(LOCAL_PATH_FINALIZER) || finalizers.includes(VOLUME_PROTECTION)) return "nothing";
  return volume.spec.persistentVolumeReclaimPolicy === "Delete" ? "remove" : "release";
}

/**
 * Removes the directories of volumes of the built-in class whose end has come, then lets their objects go. A directory that a
 * pod of this node was given is not touched before that pod's last container is dead, whatever the API has forgotten by then.
 */
export function startReclaimer(options: ReclaimerOptions): Reclaimer {
  const { client, volumes, node, clock, log } = options;
  const timers = new Map<string, () => void>();
  const busy = new Set<string>();
  let stopped = false;

  function look(name: string, failures: number): void {
    timers.get(name)?.();
    timers.delete(name);
    const volume = volumes.get("", name);
    if (stopped || busy.has(name) || volume === undefined || reclaimStep(volume, node) === "nothing") return;
    busy.add(name);
    void reclaim(volume)
      .then(
        () => true,
        (thrown: unknown) => {
          const error = errorFrom(thrown);
          if (failures === 0) log.info("a volume's directory stays for now", { volume: name, err: error });
          return false;
        },
      )
      .then((done) => {
        busy.delete(name);
        if (done || stopped) return;
        const pause = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 10));
        timers.set(
          name,
          clock.after(pause, () => look(name, failures + 1)),
        );
      });
  }

  async function reclaim(volume: PersistentVolume): Promise<void> {
    const { name, uid, resourceVersion, finalizers = [] } = volume.metadata;
    const path = localPathOf(volume, options.localPathRoot, node);
    if (path !== undefined && reclaimStep(volume, node) === "remove") await removeDirectory(path);
    const left = finalizers.filter((one) => one !== LOCAL_PATH_FINALIZER);
    const body = { metadata: { uid, resourceVersion, finalizers: left } };
    try {
      await client.resource<PersistentVolume>(PERSISTENTVOLUMES).patch(name, { type: "merge", body });
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
    }
    log.info("a volume is gone", { volume: name, path });
  }

  async function removeDirectory(path: string): Promise<void> {
    if ((await options.pathsInUse()).has(path)) throw new TriremeError("Conflict", `a pod may still use ${path}`);
    const mounts = await mountsBelow(path);
    if (mounts.length > 0) throw new TriremeError("Conflict", `${mounts.join(", ")} is mounted there`);
    const found = await lstat(path).catch(() => undefined);
    if (found !== undefined && !found.isDirectory()) {
      throw new TriremeError("Invalid", `${path} is no directory of ours: remove it by hand`);
    }
    await removeTree(path);
  }

  const unsubscribe = volumes.onChange(({ object }) => look(object.metadata.name, 0));
  return {
    poke() {
      for (const name of [...timers.keys()]) look(name, 0);
    },
    stop() {
      stopped = true;
      unsubscribe();
      for (const cancel of timers.values()) cancel();
    },
  };
}
