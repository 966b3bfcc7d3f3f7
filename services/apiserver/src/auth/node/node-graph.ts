import { PERSISTENTVOLUMES, PODS, type PersistentVolume, type Pod } from "@trireme/api";
import type { StoredEvent } from "../../storage/stored-object.ts";
import type { WatchCache } from "../../storage/watch-cache.ts";
import { type ReferencedKind, referenceKey, referencesOf } from "./pod-references.ts";

/** What the pods that are bound to a node name. */
export interface NodeReferences {
  /** Whether a pod on this node names that object. */
  names(node: string, kind: ReferencedKind, namespace: string, name: string): boolean;
  /** The claim that a volume is bound to, as the cluster has it. */
  claimOf(volume: string): { readonly namespace: string; readonly name: string } | undefined;
}

/** {@link NodeReferences} kept up from the watch cache: one pod's change costs that pod's references. */
export class NodeGraph implements NodeReferences {
  private readonly cache: WatchCache;
  /** By node, how many of its pods name each key. */
  private byNode = new Map<string, Map<string, number>>();

  constructor(cache: WatchCache) {
    this.cache = cache;
    cache.subscribe(PODS, { onEvent: (event) => this.onEvent(event), onReset: () => this.rebuild() });
    this.rebuild();
  }

  names(node: string, kind: ReferencedKind, namespace: string, name: string): boolean {
    return this.byNode.get(node)?.has(referenceKey(kind, namespace, name)) ?? false;
  }

  claimOf(volume: string): { readonly namespace: string; readonly name: string } | undefined {
    const found = this.cache.of(PERSISTENTVOLUMES).get(volume)?.object as PersistentVolume | undefined;
    const { namespace, name } = found?.spec?.claimRef ?? {};
    return namespace === undefined || name === undefined ? undefined : { namespace, name };
  }

  private onEvent({ previous, current }: StoredEvent): void {
    if (previous !== undefined) this.count(previous.object as Pod, -1);
    if (current !== undefined) this.count(current.object as Pod, 1);
  }

  private rebuild(): void {
    this.byNode = new Map();
    for (const { object } of this.cache.of(PODS).range("")) this.count(object as Pod, 1);
  }

  private count(pod: Pod, by: 1 | -1): void {
    const node = pod.spec?.nodeName;
    if (node === undefined || node === "") return;
    const counts = this.byNode.get(node) ?? new Map<string, number>();
    this.byNode.set(node, counts);
    for (const key of referencesOf(pod)) {
      const now = (counts.get(key) ?? 0) + by;
      if (now === 0) counts.delete(key);
      else counts.set(key, now);
    }
    if (counts.size === 0) this.byNode.delete(node);
  }
}
