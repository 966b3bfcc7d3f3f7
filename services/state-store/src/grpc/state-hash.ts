import { crc32 } from "node:zlib";
import { setImmediate } from "node:timers/promises";
import { TriremeError } from "@trireme/base";
import { type MvccStore, takeSnapshot } from "@trireme/mvcc";

/** A hash of keys and readable history, equal on replicas that are at the same revision. Taken in slices. */
export async function hashState(
  store: MvccStore,
  revision: number,
): Promise<{ hash: number; revision: number; compactRevision: number }> {
  if (revision !== 0 && revision !== store.revision) {
    throw new TriremeError("BadRequest", "only the current revision can be hashed");
  }
  const { compactRevision } = store;
  const snapshot = takeSnapshot(store);
  try {
    // The first frame holds the applied index, which entries without a change move on.
    snapshot.next();
    let hash = 0;
    for (let frame = snapshot.next(); frame !== undefined; frame = snapshot.next()) {
      hash = crc32(frame, hash);
      await setImmediate();
    }
    return { hash, revision: snapshot.revision, compactRevision };
  } finally {
    snapshot.release();
  }
}
