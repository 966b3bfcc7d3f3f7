import { type Hash, createHash } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { TriremeError } from "@trireme/base";
import type { SnapshotMeta } from "@trireme/raft";
import { decodeSnapshotMeta, encodeSnapshotMeta } from "../wal/records.ts";
import { syncDirectory } from "../wal/wal.ts";

/*
 * A snapshot file: magic 8 | length u32, meta as JSON | (length u32, frame)* | 0 u32 | SHA-256 of everything before.
 * Little endian. It becomes visible under its name only when it is whole and durable.
 */
const MAGIC = Buffer.from("TRISNAP\x01", "latin1");
const HASH_BYTES = 32;
/** A frame ends soon after 64 KiB, but one key's history is never split; more than this is damage. */
const MAX_FRAME_BYTES = 1024 * 1024 * 1024;
/** Files are read in pieces of this size. */
const READ_BYTES = 256 * 1024;

export function snapshotName(meta: Pick<SnapshotMeta, "index" | "term">): string {
  const hex = (value: number): string => value.toString(16).padStart(16, "0");
  return `${hex(meta.index)}-${hex(meta.term)}.snap`;
}

/** Writes a snapshot file, frame by frame; `next` answers undefined at the end. Durable when it resolves. */
export async function writeSnapshotFile(
  dir: string,
  meta: SnapshotMeta,
  next: () => Uint8Array | undefined,
): Promise<{ file: string; bytes: number }> {
  const file = path.join(dir, snapshotName(meta));
  const handle = await open(`${file}.tmp`, "w", 0o600);
  const hash = createHash("sha256");
  let bytes = 0;
  const write = async (piece: Uint8Array): Promise<void> => {
    hash.update(piece);
    for (let done = 0; done < piece.length;) done += (await handle.write(piece, done)).bytesWritten;
    bytes += piece.length;
  };
  try {
    await write(snapshotHead(meta));
    for (let frame = next(); frame !== undefined; frame = next()) await write(snapshotPiece(frame));
    await write(snapshotEnd());
    const digest = hash.digest();
    await handle.write(digest);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.tmp`, file);
  await syncDirectory(dir);
  return { file, bytes: bytes + HASH_BYTES };
}

/** What a file begins with. */
export function snapshotHead(meta: SnapshotMeta): Buffer {
  return Buffer.concat([MAGIC, snapshotPiece(Buffer.from(encodeSnapshotMeta(meta), "utf8"))]);
}

/** What stands between the last frame and the hash. */
export function snapshotEnd(): Buffer {
  return Buffer.alloc(4);
}

/** A frame as it stands in the file. */
export function snapshotPiece(bytes: Uint8Array): Buffer {
  const all = Buffer.allocUnsafe(bytes.length + 4);
  all.writeUInt32LE(bytes.length, 0);
  all.set(bytes, 4);
  return all;
}

/**
 * Takes a snapshot file's bytes in pieces of any size, hands out its frames, and says at the end whether it was whole.
 * Serves both for files that are read and for files that arrive.
 */
export class SnapshotParser {
  meta: SnapshotMeta | undefined;
  private readonly onFrame: (frame: Buffer) => void;
  private readonly hash: Hash = createHash("sha256");
  private rest: Buffer = Buffer.alloc(0);
  private stage: "magic" | "meta" | "frames" | "hash" | "done" = "magic";

  constructor(onFrame: (frame: Buffer) => void) {
    this.onFrame = onFrame;
  }

  push(piece: Uint8Array): void {
    this.rest = this.rest.length === 0 ? Buffer.from(piece) : Buffer.concat([this.rest, piece]);
    while (this.advance());
  }

  /** Throws unless everything up to the hash has come and is what was written; `padded`: zeros may follow, as in a backup. */
  finish(padded = false): SnapshotMeta {
    const clean = this.rest.length === 0 || (padded && this.rest.every((byte) => byte === 0));
    if (this.stage !== "done" || this.meta === undefined || !clean) {
      throw new TriremeError("Invalid", "the snapshot is not whole");
    }
    return this.meta;
  }

  private advance(): boolean {
    switch (this.stage) {
      case "magic":
        if (this.rest.length < MAGIC.length) return false;
        if (!this.eat(MAGIC.length).equals(MAGIC)) throw new TriremeError("Invalid", "this is no snapshot");
        this.stage = "meta";
        return true;
      case "meta":
      case "frames": {
        if (this.rest.length < 4) return false;
        const length = this.rest.readUInt32LE(0);
        if (length > MAX_FRAME_BYTES) throw new TriremeError("Invalid", "the snapshot has a frame that is too long");
        if (this.rest.length < 4 + length) return false;
        const body = this.eat(4 + length).subarray(4);
        if (this.stage === "meta") {
          this.meta = decodeSnapshotMeta(body.toString("utf8"));
          this.stage = "frames";
        } else if (length === 0) {
          this.stage = "hash";
        } else {
          this.onFrame(body);
        }
        return true;
      }
      case "hash": {
        if (this.rest.length < HASH_BYTES) return false;
        const expected = this.rest.subarray(0, HASH_BYTES);
        if (!this.hash.digest().equals(expected)) throw new TriremeError("Invalid", "the snapshot's hash is wrong");
        this.rest = this.rest.subarray(HASH_BYTES);
        this.stage = "done";
        return false;
      }
      case "done":
        return false;
    }
  }

  private eat(length: number): Buffer {
    const eaten = this.rest.subarray(0, length);
    this.hash.update(eaten);
    this.rest = this.rest.subarray(length);
    return eaten;
  }
}

/** Reads a snapshot file in pieces; throws when it is not whole. */
export async function readSnapshotFile(file: string, onFrame: (frame: Buffer) => void): Promise<SnapshotMeta> {
  const parser = new SnapshotParser(onFrame);
  for await (const piece of filePieces(file)) parser.push(piece);
  return parser.finish();
}

/** A file's bytes in pieces; each is valid until the next. */
export async function* filePieces(file: string): AsyncGenerator<Buffer> {
  const handle = await open(file, "r");
  try {
    for (;;) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Receives a file in pieces under a temporary name, and keeps it when it proves whole. */
export class SnapshotReceiver {
  private readonly dir: string;
  private readonly temporary: string;
  private readonly handle: FileHandle;
  private readonly parser: SnapshotParser;

  private constructor(dir: string, temporary: string, handle: FileHandle, onFrame: (frame: Buffer) => void) {
    this.dir = dir;
    this.temporary = temporary;
    this.handle = handle;
    this.parser = new SnapshotParser(onFrame);
  }

  static async create(dir: string, name: string, onFrame: (frame: Buffer) => void): Promise<SnapshotReceiver> {
    const temporary = path.join(dir, `${name}.tmp`);
    return new SnapshotReceiver(dir, temporary, await open(temporary, "w", 0o600), onFrame);
  }

  async push(piece: Uint8Array): Promise<void> {
    this.parser.push(piece);
    for (let done = 0; done < piece.length;) done += (await this.handle.write(piece, done)).bytesWritten;
  }

  /** Durable under its own name when it resolves. */
  async finish(): Promise<SnapshotMeta> {
    const meta = this.parser.finish();
    await this.handle.sync();
    await this.handle.close();
    await rename(this.temporary, path.join(this.dir, snapshotName(meta)));
    await syncDirectory(this.dir);
    return meta;
  }

  async abandon(): Promise<void> {
    await this.handle.close();
    await rm(this.temporary, { force: true });
  }
}
