import { createHash } from "node:crypto";
import { type FrameSource, type MvccStore, takeSnapshot } from "@trireme/mvcc";
import type { SnapshotMeta } from "@trireme/raft";
import { snapshotEnd, snapshotHead, snapshotPiece } from "./snapshot-file.ts";

/*
 * A backup is a snapshot file (see snapshot-file.ts, its own hash included) | zeros up to a multiple of 512 | SHA-256 of all
 * before. The end is etcd's: its tools take a file for whole when its size leaves 32 over a multiple of 512.
 */
const PAGE_BYTES = 512;

/** The bytes of a backup of the present state, made while they are asked for. */
export function backupPieces(store: MvccStore, meta: SnapshotMeta): FrameSource {
  const snapshot = takeSnapshot(store);
  const inner = createHash("sha256");
  const outer = createHash("sha256");
  let bytes = 0;
  const out = (piece: Buffer): Buffer => {
    outer.update(piece);
    bytes += piece.length;
    return piece;
  };
  const file = (piece: Buffer): Buffer => {
    inner.update(piece);
    return out(piece);
  };
  let stage: "head" | "frames" | "end" | "done" = "head";
  const next = (): Uint8Array | undefined => {
    switch (stage) {
      case "head":
        stage = "frames";
        return file(snapshotHead(meta));
      case "frames": {
        const frame = snapshot.next();
        if (frame !== undefined) return file(snapshotPiece(frame));
        stage = "end";
        return file(snapshotEnd());
      }
      case "end": {
        stage = "done";
        const digest = out(inner.digest());
        const padding = out(Buffer.alloc((PAGE_BYTES - (bytes % PAGE_BYTES)) % PAGE_BYTES));
        return Buffer.concat([digest, padding, outer.digest()]);
      }
      case "done":
        return undefined;
    }
  };
  return { next, release: snapshot.release };
}
