import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Clock, errorFrom } from "@trireme/base";
import { type Ca, decideRenewal, readCa, resign, sharedFolderOf, validityOf, writePrivateFile } from "@trireme/pki";
import type { Logger } from "@trireme/telemetry";

/** The first look waits for so long: a server that starts has better to do. */
const FIRST_LOOK_MS = 5_000;

/**
 * Renews the certificates of this server's own parts (store, peers, NATS, API) before they end: signed anew by the authorities in
 * the shared folder for the same keys, with the same words. Every process follows its files by itself. Answers how to stop.
 */
export function startServerRenewal(pkiDir: string, clock: Clock, log: Logger): () => void {
  let stopped = false;
  let cancel: (() => void) | undefined;
  const look = async (): Promise<void> => {
    for (const name of leavesOf(pkiDir)) {
      try {
        if (await renewLeaf(pkiDir, name, clock.now())) log.info("certificate renewed", { name });
      } catch (thrown) {
        log.warn("a certificate was not renewed", { name, err: errorFrom(thrown) });
      }
    }
    if (!stopped) lookLater();
  };
  const lookLater = (): void => {
    const lives = leavesOf(pkiDir).flatMap((name) => lifeOf(pkiDir, name, log) ?? []);
    cancel = clock.after(decideRenewal(lives, [], clock.now()).lookInMs, () => void look());
  };
  cancel = clock.after(FIRST_LOOK_MS, () => void look());
  return () => {
    stopped = true;
    cancel?.();
  };
}

/** Every `<name>.crt` beside its key: what this machine itself is, not the authorities that it knows. */
function leavesOf(pkiDir: string): string[] {
  return readdirSync(pkiDir)
    .filter((file) => file.endsWith(".crt"))
    .map((file) => file.slice(0, -".crt".length))
    .filter((name) => existsSync(join(pkiDir, `${name}.key`)));
}

function lifeOf(pkiDir: string, name: string, log: Logger): ReturnType<typeof validityOf> | undefined {
  try {
    return validityOf(readFileSync(join(pkiDir, `${name}.crt`)));
  } catch (thrown) {
    log.warn("a certificate cannot be read", { name, err: errorFrom(thrown) });
    return undefined;
  }
}

/** Renews one where it is due; answers whether. */
export async function renewLeaf(pkiDir: string, name: string, nowMs: number): Promise<boolean> {
  const path = join(pkiDir, `${name}.crt`);
  const before = readFileSync(path, "utf8");
  if (!decideRenewal([validityOf(before)], [], nowMs).certificates) return false;
  const ca = authorityOf(sharedFolderOf(pkiDir), new X509Certificate(before));
  if (ca === undefined) return false;
  writePrivateFile(path, await resign(before, ca));
  return true;
}

/** The authority that signed it, of those whose keys all servers hold. */
function authorityOf(shared: string, leaf: X509Certificate): Ca | undefined {
  const names = readdirSync(shared)
    .filter((file) => file.endsWith(".crt") && existsSync(join(shared, file.replace(/crt$/, "key"))))
    .map((file) => file.slice(0, -".crt".length));
  const name = names.find((it) => leaf.verify(new X509Certificate(readFileSync(join(shared, `${it}.crt`))).publicKey));
  return name === undefined ? undefined : readCa(shared, name);
}
