import { createReadStream, existsSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { TriremeError } from "@trireme/base";
import { mkdirPrivate } from "@trireme/pki";
import { ArchiveReader, type Manifest } from "./archive.ts";
import { BackupOpener } from "./cipher.ts";
import { SHARED_PREFIX, STORE_FILE } from "./create.ts";
import type { RecoveryPrivate } from "./recovery-key.ts";

/** Files that all servers share are keys and certificates: a page each, and this many bytes would be another thing. */
const MAX_SHARED_BYTES = 1024 * 1024;

/** What a backup held. */
export interface Unpacked {
  readonly manifest: Manifest;
  /** What all servers hold, by name, base64. */
  readonly shared: Readonly<Record<string, string>>;
  /** The store's snapshot, on disk. */
  readonly storeFile: string;
}

/**
 * Decrypts a whole backup below `staging` before anything is done with it, so that a wrong key or a bad copy is told while
 * nothing has been touched. What it leaves there is for its owner's eyes, and to be removed by whoever called.
 */
export async function unpackBackup(file: string, secret: RecoveryPrivate, staging: string): Promise<Unpacked> {
  if (!existsSync(file)) throw new TriremeError("NotFound", `there is no ${file}`);
  await rm(staging, { recursive: true, force: true });
  mkdirPrivate(staging);
  const storeFile = `${staging}/${STORE_FILE}`;
  const store = await open(storeFile, "wx", 0o600);
  try {
    const found = new Found();
    const opener = new BackupOpener(secret);
    const reader = new ArchiveReader(found);
    for await (const piece of createReadStream(file) as AsyncIterable<Buffer>) {
      reader.push(opener.push(piece));
      await drain(found, store);
    }
    reader.push(opener.finish());
    reader.finish();
    await drain(found, store);
    await store.sync();
    const { manifest, shared } = found;
    if (manifest === undefined || !found.hasStore) {
      throw new TriremeError("Invalid", `${file} holds no store and no keys: it was not made by tri backup`);
    }
    const texts = [...shared].map(([name, parts]) => [name, Buffer.concat(parts).toString("base64")] as const);
    return { manifest, storeFile, shared: Object.fromEntries(texts) };
  } finally {
    await store.close();
  }
}

async function drain(found: Found, store: FileHandle): Promise<void> {
  for (const piece of found.storePieces.splice(0)) {
    for (let done = 0; done < piece.length;) done += (await store.write(piece, done)).bytesWritten;
  }
}

class Found {
  manifest: Manifest | undefined;
  readonly shared = new Map<string, Buffer[]>();
  readonly storePieces: Buffer[] = [];
  hasStore = false;
  private into: Buffer[] = [];
  private sharedBytes = 0;

  onManifest(manifest: Manifest): void {
    this.manifest = manifest;
  }

  onFile(name: string): void {
    if (name === STORE_FILE) {
      this.hasStore = true;
      this.into = this.storePieces;
      return;
    }
    // Of a later release perhaps: what we do not know we cannot put back in its place, and say so rather than leave it out.
    if (!name.startsWith(SHARED_PREFIX)) {
      throw new TriremeError("Invalid", `the backup holds "${name}", which this release does not know`);
    }
    this.into = [];
    this.shared.set(name.slice(SHARED_PREFIX.length), this.into);
  }

  onData(bytes: Buffer): void {
    if (this.into !== this.storePieces) {
      this.sharedBytes += bytes.length;
      if (this.sharedBytes > MAX_SHARED_BYTES) throw new TriremeError("Invalid", "the backup's keys are too long");
    }
    this.into.push(Buffer.from(bytes));
  }
}
