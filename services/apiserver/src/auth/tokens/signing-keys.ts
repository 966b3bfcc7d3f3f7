import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { TriremeError } from "@trireme/base";
import { type TokenKey, tokenKeyFromPem } from "./jwt.ts";

/** The key that tokens are signed with. */
const SIGNING_KEY = "sa.key";

/** Keys by which tokens are known: `sa.key` and, while an older or newer one is in use somewhere, its `sa-<any>.pub` or `.key`. */
const VERIFYING_KEY = /^sa(-[a-z0-9-]+)?\.(key|pub)$/;

/** One key to sign with and all that are known. */
export interface SigningKeys {
  readonly signing: TokenKey;
  readonly verifying: ReadonlyMap<string, TokenKey>;
}

/** Reads the keys in a server's shared folder of keys. Throws an error that names the file. */
export function readSigningKeys(pkiDir: string): SigningKeys {
  const read = (file: string): TokenKey =>
    tokenKeyFromPem(readFileSync(join(pkiDir, file), "utf8"), join(pkiDir, file));
  const files = readdirSync(pkiDir).filter((file) => VERIFYING_KEY.test(file));
  if (!files.includes(SIGNING_KEY)) {
    throw new TriremeError("NotFound", `${join(pkiDir, SIGNING_KEY)} is missing: every server holds the same one`);
  }
  const keys = files.map(read);
  return { signing: read(SIGNING_KEY), verifying: new Map(keys.map((key) => [key.id, key])) };
}
