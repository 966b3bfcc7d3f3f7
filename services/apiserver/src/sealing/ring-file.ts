import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { TriremeError, errorFrom } from "@trireme/base";
import { SEALING_FILE, type SealingRing, parseSealingRing, renderSealingRing, writePrivateFile } from "@trireme/pki";

/** Where a server keeps its ring: beside the other keys that all servers share. */
export function sealingFileOf(pkiDir: string): string {
  const shared = join(pkiDir, "shared");
  return join(existsSync(shared) ? shared : pkiDir, SEALING_FILE);
}

/** Reads a server's ring. Throws an error that names the file and the way out; there is no going on without one. */
export function readRingFile(file: string): SealingRing {
  let text: string;
  try {
    const { mode } = statSync(file);
    if ((mode & 0o077) !== 0) {
      throw new TriremeError(
        "Forbidden",
        `${file} can be read by others than its owner (mode ${(mode & 0o777).toString(8)}), and who reads it reads all ` +
          `Secrets: chmod 600 ${file}, and rotate the key (tri secrets rotate-key)`,
      );
    }
    text = readFileSync(file, "utf8");
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error.code === "Forbidden") throw error;
    throw new TriremeError(
      "NotFound",
      `${file} cannot be read (${error.message}): it holds the keys that Secrets are sealed with, and without them no ` +
        "server starts. Every server holds the same file: copy it from another one (mode 600), or restore a backup (tri restore)",
      { cause: thrown },
    );
  }
  return parseSealingRing(text, file);
}

/** Writes a server's ring: synced, all or nothing. */
export function writeRingFile(file: string, ring: SealingRing): void {
  writePrivateFile(file, renderSealingRing(ring));
}
