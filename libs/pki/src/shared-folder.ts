import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { TriremeError } from "@trireme/base";
import { writePrivateFile } from "./files.ts";

/** Plain names alone: what a server sends may not choose where it is written. */
const FILE_NAME = /^[a-z0-9][a-z0-9.-]*$/;

/** Where a server keeps what all servers hold: the authorities' keys, the bus' root, the keys of tokens and of Secrets. */
export function sharedFolderOf(pkiDir: string): string {
  return join(pkiDir, "shared");
}

/** Every file of the shared folder, by name, base64: whatever it holds, so that nobody keeps a list of it. */
export function readSharedFolder(pkiDir: string): Readonly<Record<string, string>> {
  const dir = sharedFolderOf(pkiDir);
  const names = readdirSync(dir).filter((name) => FILE_NAME.test(name));
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(dir, name)).toString("base64")]));
}

/** Writes what {@link readSharedFolder} read on another server. Throws BadRequest for a name that is no plain one. */
export function writeSharedFolder(pkiDir: string, files: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(files)) {
    if (!FILE_NAME.test(name)) throw new TriremeError("BadRequest", `the shared folder holds no file "${name}"`);
  }
  const dir = sharedFolderOf(pkiDir);
  for (const [name, content] of Object.entries(files))
    writePrivateFile(join(dir, name), Buffer.from(content, "base64"));
}
