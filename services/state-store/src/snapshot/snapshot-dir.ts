import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { TriremeError, errorFrom } from "@trireme/base";
import type { MvccStore } from "@trireme/mvcc";
import { SnapshotReader } from "@trireme/mvcc";
import type { SnapshotMeta } from "@trireme/raft";
import type { Logger } from "@trireme/telemetry";
import { readSnapshotFile, snapshotName } from "./snapshot-file.ts";

/** The newest, and the one before it in case that the newest turns out unreadable. */
const KEPT_SNAPSHOTS = 2;

/** Removes what a crash left half-written. */
export async function openSnapshotDir(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (const name of await readdir(dir)) if (name.endsWith(".tmp")) await rm(path.join(dir, name));
}

/**
 * Loads the newest snapshot that the log vouches for and whose file is whole. Undefined when the log has none: then it
 * begins with the empty state.
 */
export async function loadNewest(
  dir: string,
  marks: readonly SnapshotMeta[],
  log: Logger,
): Promise<{ meta: SnapshotMeta; store: MvccStore } | undefined> {
  for (const mark of marks.toReversed()) {
    const reader = new SnapshotReader();
    try {
      const meta = await readSnapshotFile(path.join(dir, snapshotName(mark)), (frame) => reader.push(frame));
      return { meta, store: reader.finish() };
    } catch (error) {
      log.error("a snapshot cannot be read", { index: mark.index, term: mark.term, err: errorFrom(error) });
    }
  }
  if (marks.length === 0) return undefined;
  throw new TriremeError(
    "InternalError",
    `none of the ${marks.length} snapshots that the log names can be read in ${dir}. This member does not start: ` +
      "move its data directory away and let it rejoin from the others",
  );
}

/** Deletes all but the newest snapshots. */
export async function pruneSnapshots(dir: string): Promise<void> {
  const names = (await readdir(dir)).filter((name) => name.endsWith(".snap")).sort();
  for (const name of names.slice(0, -KEPT_SNAPSHOTS)) await rm(path.join(dir, name));
}
