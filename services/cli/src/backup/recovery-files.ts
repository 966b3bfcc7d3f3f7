import { existsSync, readFileSync } from "node:fs";
import { TriremeError } from "@trireme/base";
import { sharedFolderOf, writePrivateFile } from "@trireme/pki";
import { RECOVERY_FILE, type RecoveryPublic, createRecoveryKey, parsePublic } from "./recovery-key.ts";

/** Where a server keeps the public half. */
export function recoveryFileOf(pkiDir: string): string {
  return `${sharedFolderOf(pkiDir)}/${RECOVERY_FILE}`;
}

/** The public half that these servers keep; nothing when none was made. The first that has one speaks for all. */
export function readRecoveryPublic(pkiDirs: readonly string[]): RecoveryPublic | undefined {
  const file = pkiDirs.map(recoveryFileOf).find((path) => existsSync(path));
  return file === undefined ? undefined : parsePublic(readFileSync(file, "utf8"), file);
}

/** Makes a recovery key; its public half goes to these servers, its private half to the caller alone. */
export function replaceRecoveryKey(pkiDirs: readonly string[]): {
  readonly typed: string;
  readonly public: RecoveryPublic;
} {
  const folders = pkiDirs.filter((dir) => existsSync(sharedFolderOf(dir)));
  if (folders.length === 0) throw new TriremeError("NotFound", `no server's keys are in ${pkiDirs.join(", ")}`);
  const { typed, file } = createRecoveryKey();
  for (const dir of folders) writePrivateFile(recoveryFileOf(dir), file);
  return { typed, public: parsePublic(file, RECOVERY_FILE) };
}
