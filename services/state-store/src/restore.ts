import { createHash } from "node:crypto";
import { rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { TriremeError, assert, errorFrom } from "@trireme/base";
import { type MvccStore, SnapshotReader, reborn } from "@trireme/mvcc";
import { bootstrapState } from "@trireme/raft";
import type { Logger } from "@trireme/telemetry";
import { writeBirth } from "./boot.ts";
import { foundCluster, hex } from "./cluster.ts";
import type { StoreConfig } from "./config.ts";
import { openSnapshotDir } from "./snapshot/snapshot-dir.ts";
import { SnapshotParser, filePieces } from "./snapshot/snapshot-file.ts";
import { Wal } from "./wal/wal.ts";

/** The hash at a backup's end, as etcd writes it. */
const DIGEST_BYTES = 32;

/**
 * Makes the data folder of a new cluster's first member out of a backup (what `Maintenance.Snapshot` streams). The cluster has
 * an id of its own, by its token, and this member alone; the others join it. The folder appears whole or not at all.
 */
export async function restoreStore(options: {
  readonly config: StoreConfig;
  readonly file: string;
  /** Keys, and prefixes of keys, that are true of the lost cluster alone; `{member}` stands for the name of each of its members. */
  readonly leaveBehind: readonly string[];
  readonly log: Logger;
}): Promise<void> {
  const { config, file, leaveBehind, log } = options;
  const { dataDir, name, clusterToken: token, initialCluster } = config;
  if (await exists(path.join(dataDir, "wal"))) {
    throw new TriremeError("AlreadyExists", `${dataDir} holds a log already: a restore needs an empty folder`);
  }
  const founding = foundCluster({ name, token, initialCluster });
  const [member] = founding.members;
  if (member === undefined || founding.members.length !== 1) {
    throw new TriremeError("BadRequest", "a restored cluster begins with one member; the others join it");
  }
  const old = await readBackup(file);
  const { snapshot } = bootstrapState([member.id]);
  const store = reborn(old, { member, appliedIndex: snapshot.index, leaveBehind: ofMembers(leaveBehind, old) });
  const temporary = `${dataDir}.restoring`;
  await rm(temporary, { recursive: true, force: true });
  const snapshotDir = path.join(temporary, "snap");
  await openSnapshotDir(snapshotDir);
  const { wal } = await Wal.open({
    dir: path.join(temporary, "wal"),
    identity: { clusterId: founding.clusterId, memberId: member.id },
    segmentBytes: config.walSegmentBytes,
    onSync: () => undefined,
    onFatal: (error) => {
      throw errorFrom(error);
    },
  });
  await writeBirth(wal, snapshotDir, snapshot, store);
  await wal.close();
  await rm(dataDir, { recursive: true, force: true });
  await rename(temporary, dataDir);
  log.info("restored", {
    revision: old.revision,
    bumpedTo: store.revision,
    keys: store.keyCount,
    cluster: hex(founding.clusterId),
  });
}

function ofMembers(patterns: readonly string[], { members }: MvccStore): string[] {
  const names = members.list().map(({ name }) => name);
  return patterns.flatMap((pattern) =>
    pattern.includes("{member}") ? names.map((name) => pattern.replace("{member}", name)) : [pattern],
  );
}

/** Reads a backup whole; throws Invalid unless it is what was streamed, to the last byte. */
async function readBackup(file: string): Promise<MvccStore> {
  const { size } = await stat(file);
  const reader = new SnapshotReader();
  const parser = new SnapshotParser((frame) => reader.push(frame));
  const hash = createHash("sha256");
  const digest: Buffer[] = [];
  let left = size - DIGEST_BYTES;
  for await (const piece of filePieces(file)) {
    const body = piece.subarray(0, Math.max(0, left));
    left -= body.length;
    hash.update(body);
    parser.push(body);
    digest.push(piece.subarray(body.length));
  }
  if (left < 0 || !hash.digest().equals(Buffer.concat(digest))) {
    throw new TriremeError("Invalid", `${file} is no whole backup of a store: its hash is wrong`);
  }
  const meta = parser.finish(true);
  const store = reader.finish();
  assert(store.appliedIndex === meta.index, "a backup is the state at the index that it names");
  return store;
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    return false;
  }
}
