import { CONFIGMAPS, type ConfigMap, type Pod, SECRETS, type Secret } from "@trireme/api";
import type { Clock } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import { createInformer, listWatchOf } from "@trireme/controller";
import type { Logger } from "@trireme/telemetry";
import type { KeyValues } from "../pods/environment.ts";
import { configMapData, secretData } from "./config-source.ts";
import type { ConfigLookup, ConfigNeed } from "./payload.ts";
import { configNeeds, isProjected } from "./payload.ts";
import { carriesTokens } from "./tokens.ts";

/** A file that could not be written is tried again after this; a change tries at once. */
const RETRY_MS = 5_000;

/** How often files with tokens are looked at: shorter than what is left of the shortest token when it is due, two minutes. */
const TOKEN_CHECK_MS = 60_000;

/** Keeps the files of pods' ConfigMap, Secret, projected and downwardAPI volumes as the API has them. */
export interface LiveFiles {
  /** Begins to follow what a pod's volumes name, or goes on with the pod's newest state. */
  follow(pod: Pod): void;
  /** The pod has changed: its labels and annotations may be in files. Nothing, unless it is followed. */
  changed(pod: Pod): void;
  /** Resolves when nothing of the pod is being written any more. */
  drop(uid: string): Promise<void>;
  stop(): void;
}

/** One object that is being followed. */
export interface Followed {
  readonly hasSynced: boolean;
  readonly data: KeyValues | undefined;
  stop(): void;
}

/** What live files are made from. */
export interface LiveFilesOptions {
  /** Follows one object; `onChange` is called when it may be another than before. */
  readonly open: (need: ConfigNeed, namespace: string, onChange: () => void) => Followed;
  /** Writes a pod's files again. Does nothing where they are as they should be. */
  readonly refresh: (pod: Pod, lookup: ConfigLookup) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

interface FollowedPod {
  pod: Pod;
  readonly keys: ReadonlySet<string>;
  /** The write that is under way; `again` asks for one more after it. */
  writing: Promise<void> | undefined;
  again: boolean;
  cancelRetry: (() => void) | undefined;
  /** Looks again later, where files hold tokens. */
  cancelCheck: (() => void) | undefined;
}

/**
 * Live files over single objects: each ConfigMap and Secret is followed once, however many pods name it, and no longer than
 * one of them does. So a node watches as many objects as the volumes of its pods name, and never a list of them.
 */
export function createLiveFiles(options: LiveFilesOptions): LiveFiles {
  const { open, refresh, clock, log } = options;
  const pods = new Map<string, FollowedPod>();
  const followed = new Map<string, { readonly object: Followed; readonly uids: Set<string> }>();

  function write(uid: string): void {
    const entry = pods.get(uid);
    if (entry === undefined) return;
    entry.cancelRetry?.();
    entry.cancelRetry = undefined;
    if (entry.writing !== undefined) {
      entry.again = true;
      return;
    }
    // What has not been listed yet is not known to be absent: its first list brings us here again.
    if ([...entry.keys].some((key) => followed.get(key)?.object.hasSynced === false)) return;
    entry.again = false;
    const namespace = entry.pod.metadata.namespace ?? "default";
    const lookup: ConfigLookup = (need) => followed.get(keyOf(need, namespace))?.object.data;
    entry.writing = refresh(entry.pod, lookup)
      .catch((error: unknown) => {
        // As kubelet does: files of an object that is gone stay as they were.
        log.info("a pod's files stay as they are", { pod: `${namespace}/${entry.pod.metadata.name}`, err: error });
        if (pods.get(uid) === entry) entry.cancelRetry = clock.after(RETRY_MS, () => write(uid));
      })
      .finally(() => {
        entry.writing = undefined;
        if (entry.again) write(uid);
      });
  }

  function checkLater(uid: string, entry: FollowedPod): void {
    if (!carriesTokens(entry.pod)) return;
    entry.cancelCheck = clock.after(TOKEN_CHECK_MS, () => {
      if (pods.get(uid) !== entry) return;
      write(uid);
      checkLater(uid, entry);
    });
  }

  function release(uid: string, keys: Iterable<string>): void {
    for (const key of keys) {
      const one = followed.get(key);
      one?.uids.delete(uid);
      if (one === undefined || one.uids.size > 0) continue;
      followed.delete(key);
      one.object.stop();
    }
  }

  return {
    follow(pod) {
      const uid = pod.metadata.uid ?? "";
      const namespace = pod.metadata.namespace ?? "default";
      if (pods.has(uid)) return this.changed(pod);
      if (!(pod.spec.volumes ?? []).some(isProjected)) return;
      const needs = configNeeds(pod);
      const keys = new Set(needs.map((need) => keyOf(need, namespace)));
      const entry: FollowedPod = {
        pod,
        keys,
        writing: undefined,
        again: false,
        cancelRetry: undefined,
        cancelCheck: undefined,
      };
      pods.set(uid, entry);
      checkLater(uid, entry);
      for (const need of needs) {
        const key = keyOf(need, namespace);
        const known = followed.get(key);
        if (known !== undefined) {
          known.uids.add(uid);
          continue;
        }
        const uids = new Set([uid]);
        const onChange = (): void => uids.forEach(write);
        followed.set(key, { object: open(need, namespace, onChange), uids });
      }
      write(uid);
    },
    changed(pod) {
      const entry = pods.get(pod.metadata.uid ?? "");
      if (entry === undefined) return;
      const before = entry.pod.metadata;
      entry.pod = pod;
      const view = ({ labels, annotations }: Pod["metadata"]): string => JSON.stringify([labels, annotations]);
      if (view(before) !== view(pod.metadata)) write(pod.metadata.uid ?? "");
    },
    async drop(uid) {
      const entry = pods.get(uid);
      if (entry === undefined) return;
      pods.delete(uid);
      entry.cancelRetry?.();
      entry.cancelCheck?.();
      release(uid, entry.keys);
      await entry.writing;
    },
    stop() {
      for (const { cancelRetry, cancelCheck } of pods.values()) {
        cancelRetry?.();
        cancelCheck?.();
      }
      pods.clear();
      for (const { object } of followed.values()) object.stop();
      followed.clear();
    },
  };
}

function keyOf({ kind, name }: ConfigNeed, namespace: string): string {
  return `${kind}/${namespace}/${name}`;
}

/** Follows single objects by API watch. One that says that it is immutable is not watched any longer. */
export function apiFollower(client: ApiClient, clock: Clock, log: Logger): LiveFilesOptions["open"] {
  return ({ kind, name }, namespace, onChange) => {
    const resource = kind === "Secret" ? SECRETS : CONFIGMAPS;
    const informer = createInformer<ConfigMap | Secret>({
      name: resource.resource,
      listWatch: listWatchOf(client, resource, namespace),
      fieldSelector: `metadata.name=${name}`,
      matches: ({ metadata }) => metadata.name === name && metadata.namespace === namespace,
      clock,
      log,
    });
    let last: KeyValues | undefined;
    let synced = false;
    const unsubscribe = informer.onChange(({ type, object }) => {
      last = type === "deleted" ? undefined : kind === "Secret" ? secretData(object) : configMapData(object);
      if (type !== "deleted" && object.immutable === true && synced) informer.stop();
      if (synced) onChange();
    });
    informer.start();
    void informer.synced.then(() => {
      synced = true;
      if (informer.get(namespace, name)?.immutable === true) informer.stop();
      onChange();
    });
    return {
      get hasSynced() {
        return synced;
      },
      get data() {
        return last;
      },
      stop() {
        unsubscribe();
        informer.stop();
      },
    };
  };
}
