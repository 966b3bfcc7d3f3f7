import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One identity's certificate files as PEM texts. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Reads `ca.crt` and `<name>.{crt,key}` of a host's PKI directory. */
export function readTls(pkiDir: string, name: string): TlsFiles {
  const text = (file: string): string => readFileSync(join(pkiDir, file), "utf8");
  return { ca: text("ca.crt"), cert: text(`${name}.crt`), key: text(`${name}.key`) };
}
