import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type Ca, type KeyPair, caFromPem } from "./ca.ts";

/** Writes a file that only its owner reads, all or nothing: a reader sees the old content or the new. */
export function writePrivateFile(path: string, content: string | Uint8Array): void {
  mkdirPrivate(dirname(path));
  const temporary = `${path}.${randomBytes(4).toString("hex")}`;
  try {
    const file = openSync(temporary, "wx", 0o600);
    try {
      writeSync(file, typeof content === "string" ? Buffer.from(content) : content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Makes a directory that only its owner enters, with its parents. */
export function mkdirPrivate(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
}

/** Writes `<dir>/<name>.crt` and `<dir>/<name>.key`; the key first, so that a certificate is never without its key. */
export function writeKeyPair(dir: string, name: string, pair: KeyPair): void {
  writePrivateFile(join(dir, `${name}.key`), pair.key);
  writePrivateFile(join(dir, `${name}.crt`), pair.cert);
}

/** Reads `<dir>/<name>.crt` and `<dir>/<name>.key` as PEM. */
export function readKeyPair(dir: string, name: string): KeyPair {
  return {
    cert: readFileSync(join(dir, `${name}.crt`), "utf8"),
    key: readFileSync(join(dir, `${name}.key`), "utf8"),
  };
}

/** Reads a CA that {@link writeKeyPair} wrote. */
export function readCa(dir: string, name: string): Ca {
  const pair = readKeyPair(dir, name);
  return caFromPem(pair.cert, pair.key);
}
