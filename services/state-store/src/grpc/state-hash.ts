import { crc32 } from "node:zlib";
import { setImmediate } from "node:timers/promises";
import { type FrameSource, type MvccStore, keyFrames, takeSnapshot } from "@trireme/mvcc";

/** What replicas compare: equal for equal keys and history between the two revisions. */
export interface KeysHash {
  readonly hash: number;
  readonly revision: number;
  readonly compactRevision: number;
}

/** A hash of the keys and their history up to a revision (0: the newest), from the oldest revision that can be read. */
export async function hashKeys(store: MvccStore, revision: number): Promise<KeysHash> {
  const { compactRevision } = store;
  const upTo = revision === 0 ? store.revision : revision;
  return { hash: await hashFrames(keyFrames(store, upTo, compactRevision)), revision: upTo, compactRevision };
}

/** A hash of the whole state, leases and members included. */
export async function hashState(store: MvccStore): Promise<number> {
  const snapshot = takeSnapshot(store);
  // The first frame holds the applied index, which entries without a change move on.
  snapshot.next();
  return hashFrames(snapshot);
}

/** Frame by frame, so that nobody else's work waits for long. */
export async function hashFrames(source: FrameSource): Promise<number> {
  try {
    let hash = 0;
    for (let frame = source.next(); frame !== undefined; frame = source.next()) {
      hash = crc32(frame, hash);
      await setImmediate();
    }
    return hash;
  } finally {
    source.release();
  }
}
