import { existsSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { TriremeError, errorFrom } from "@trireme/base";
import { readSharedFolder } from "@trireme/pki";
import { CHUNK_BYTES, BackupSealer } from "./cipher.ts";
import { type Manifest, dataRecord, endRecord, fileRecord, manifestRecord } from "./archive.ts";
import type { RecoveryPublic } from "./recovery-key.ts";
import { withSnapshot } from "./store-snapshot.ts";

/** The store's snapshot inside a backup. */
export const STORE_FILE = "store.snapshot";
/** What all servers hold, inside a backup. */
export const SHARED_PREFIX = "shared/";

/** Keys may be rotated while a backup is made; a rotation takes a second, so the second attempt is undisturbed. */
const MAX_ATTEMPTS = 3;

/** One server from whose folder and store a backup is made. */
export interface BackupSource {
  readonly pkiDir: string;
  /** Its store's client address, `host:port`. */
  readonly store: string;
}

/** What was written. */
export interface BackupReport {
  readonly revision: number;
  readonly bytes: number;
  readonly server: string;
}

/**
 * Writes a backup: everything that was acknowledged before, encrypted to the recovery key. The file appears whole or not at
 * all, and never takes another's place. Asks one server after the other.
 */
export async function createBackup(
  file: string,
  sources: readonly BackupSource[],
  to: RecoveryPublic,
  about: Omit<Manifest, "format" | "revision">,
): Promise<BackupReport> {
  if (existsSync(file)) {
    throw new TriremeError(
      "AlreadyExists",
      `${file} is there already: a backup takes no other file's place; give it another name`,
    );
  }
  const refusals: string[] = [];
  for (const source of sources) {
    try {
      return await fromSource(file, source, to, about);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.code !== "ServiceUnavailable") throw error;
      refusals.push(error.message);
    }
  }
  throw new TriremeError("ServiceUnavailable", `no server gives a backup: ${refusals.join("; ")}`);
}

async function fromSource(
  file: string,
  source: BackupSource,
  to: RecoveryPublic,
  about: Omit<Manifest, "format" | "revision">,
): Promise<BackupReport> {
  const temporary = `${file}.${process.pid}.tmp`;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const handle = await open(temporary, "wx", 0o600);
    try {
      const shared = readSharedFolder(source.pkiDir);
      const written = await withSnapshot(source.store, source.pkiDir, async ({ revision, pieces }) => {
        const out = new Output(handle, new BackupSealer(to));
        await out.write(manifestRecord({ format: 1, ...about, revision }));
        for (const [name, content] of Object.entries(shared)) {
          await out.write(fileRecord(SHARED_PREFIX + name));
          await out.write(dataRecord(Buffer.from(content, "base64")));
        }
        await out.write(fileRecord(STORE_FILE));
        for await (const piece of pieces) {
          for (let at = 0; at < piece.length; at += CHUNK_BYTES) {
            await out.write(dataRecord(piece.subarray(at, at + CHUNK_BYTES)));
          }
        }
        await out.write(endRecord());
        return { revision, bytes: await out.finish() };
      });
      // The snapshot may be sealed with a key that was made after the folder was read.
      if (JSON.stringify(readSharedFolder(source.pkiDir)) !== JSON.stringify(shared)) continue;
      await handle.sync();
      await rename(temporary, file);
      return { ...written, server: source.store };
    } finally {
      await handle.close();
      await rm(temporary, { force: true });
    }
  }
  throw new TriremeError("Conflict", "the servers' keys changed again and again while the backup was made; try again");
}

/** Encrypts on the way to the file. */
class Output {
  private readonly handle: FileHandle;
  private readonly sealer: BackupSealer;
  private bytes = 0;
  private headWritten = false;

  constructor(handle: FileHandle, sealer: BackupSealer) {
    this.handle = handle;
    this.sealer = sealer;
  }

  async write(record: Uint8Array): Promise<void> {
    if (!this.headWritten) await this.put(this.sealer.head);
    this.headWritten = true;
    await this.put(this.sealer.push(record));
  }

  async finish(): Promise<number> {
    await this.put(this.sealer.finish());
    return this.bytes;
  }

  private async put(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) done += (await this.handle.write(bytes, done)).bytesWritten;
    this.bytes += bytes.length;
  }
}
