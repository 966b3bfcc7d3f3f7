import { createHash } from "node:crypto";

/** One certificate of a node, as `<file>.crt` and `<file>.key` in its folder of keys; signed by the cluster's CA. */
export interface NodeIdentity {
  readonly file: "node" | "dns";
  readonly cn: string;
  readonly o: string;
  readonly sans: readonly string[];
}

/**
 * All that a node's machine may be: its agent and its DNS, under its own name and address and under nothing else. Who asks
 * for a certificate and who signs it read the same list.
 */
export function nodeIdentities(name: string, address: string): NodeIdentity[] {
  const sans = [address, "127.0.0.1", name];
  return [
    { file: "node", cn: `system:node:${name}`, o: "system:nodes", sans },
    { file: "dns", cn: `system:dns:${name}`, o: "system:dns", sans },
  ];
}

/**
 * The id of a machine: hash of its host key's public half (SPKI, DER). The key is made at the first join and stays in the
 * machine's folder, so two machines never have the same id, and one that joins again with its folder keeps its own.
 */
export function hostIdOf(publicKey: Uint8Array): string {
  return createHash("sha256").update(publicKey).digest("hex").slice(0, HOST_ID_LENGTH);
}

/** 128 bits, hex: nobody makes a second key with the same id. */
const HOST_ID_LENGTH = 32;
