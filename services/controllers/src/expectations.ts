/**
 * What a controller knows that its caches may not show yet: its own writes. A reconciler that finds them unmet must not
 * create or delete again, or a lagging cache would make it do so twice.
 *
 * A write is met once the informer has applied its revision, a removal once the object is gone from the cache or marked
 * there. Both also come true by a relist, so an expectation can not be stuck as a counter of events can.
 */
export class Expectations {
  private readonly revisions = new Map<string, Map<string, number>>();
  private readonly removals = new Map<string, Set<string>>();

  /** A write of `key`'s reconciler to `resource` was answered with this resourceVersion. */
  wrote(key: string, resource: string, resourceVersion: string | undefined): void {
    const revision = Number(resourceVersion);
    if (!Number.isSafeInteger(revision)) return;
    const byResource = this.revisions.get(key) ?? new Map<string, number>();
    byResource.set(resource, Math.max(byResource.get(resource) ?? 0, revision));
    this.revisions.set(key, byResource);
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
  met(key: string, applied: (resource: string) => number, isGone: (uid: string) => boolean): boolean {
    const byResource = this.revisions.get(key);
    for (const [resource, revision] of byResource ?? []) {
      if (applied(resource) >= revision) byResource!.delete(resource);
    }
    const uids = this.removals.get(key);
    for (const uid of uids ?? []) {
      if (isGone(uid)) uids!.delete(uid);
    }
    if ((byResource?.size ?? 0) > 0 || (uids?.size ?? 0) > 0) return false;
    this.forget(key);
    return true;
  }

  /** The object of `key` is gone. */
  forget(key: string): void {
    this.revisions.delete(key);
    this.removals.delete(key);
  }
}
