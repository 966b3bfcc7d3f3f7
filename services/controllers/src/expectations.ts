import type { KubeObject } from "@trireme/api";

/** The part of an informer that tells whether it shows a write. */
export interface Shows {
  readonly revision: number;
  get(namespace: string, name: string): KubeObject | undefined;
}

interface Write {
  readonly informer: Shows;
  readonly namespace: string;
  readonly name: string;
  readonly revision: number;
}

/**
 * What a controller knows that its caches may not show yet: its own writes. A reconciler whose expectations are unmet
 * must not decide, or a lagging cache would make it create or delete twice.
 *
 * A write is met once the cache holds that revision of the object or a later one, or is known to be complete up to it; a
 * removal once the object is gone from the cache or marked there. Both also come true by a relist, so an expectation can
 * not be stuck as a counter of events can.
 */
export class Expectations {
  private readonly writes = new Map<string, Map<string, Write>>();
  private readonly removals = new Map<string, Set<string>>();

  /** A write of `key`'s reconciler was answered with this object; `informer` will show it. */
  wrote(key: string, informer: Shows, written: KubeObject): void {
    const { namespace = "", name, resourceVersion } = written.metadata;
    const revision = Number(resourceVersion);
    if (!Number.isSafeInteger(revision) || revision === 0) return;
    const writes = this.writes.get(key) ?? new Map<string, Write>();
    // A later write of one object makes the earlier one moot.
    const identity = `${written.metadata.uid ?? ""}/${namespace}/${name}`;
    writes.set(identity, { informer, namespace, name, revision });
    this.writes.set(key, writes);
  }

  /** The object with this uid was asked to go. */
  removing(key: string, uid: string): void {
    const uids = this.removals.get(key) ?? new Set<string>();
    uids.add(uid);
    this.removals.set(key, uids);
  }

  /** The request to remove failed: the object stays. */
  kept(key: string, uid: string): void {
    this.removals.get(key)?.delete(uid);
  }

  /** Whether the caches show everything that `key`'s reconciler did. Forgets what is met. */
  met(key: string, isGone: (uid: string) => boolean = () => true): boolean {
    const writes = this.writes.get(key);
    for (const [identity, write] of writes ?? []) if (isShown(write)) writes!.delete(identity);
    const uids = this.removals.get(key);
    for (const uid of uids ?? []) if (isGone(uid)) uids!.delete(uid);
    if ((writes?.size ?? 0) > 0 || (uids?.size ?? 0) > 0) return false;
    this.forget(key);
    return true;
  }

  /** The object of `key` is gone. */
  forget(key: string): void {
    this.writes.delete(key);
    this.removals.delete(key);
  }
}

function isShown({ informer, namespace, name, revision }: Write): boolean {
  if (informer.revision >= revision) return true;
  return Number(informer.get(namespace, name)?.metadata.resourceVersion ?? 0) >= revision;
}
