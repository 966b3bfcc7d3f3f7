/**
 * Certificate authorities and certificates: EC P-256, SHA-256, PEM.
 *
 * Callers' duties: keep CA keys off the hosts that need certificates only; write keys with {@link writePrivateFile}
 * (0600, atomic) and nothing else; give every identity a key of its own.
 *
 * ```ts
 * const ca = await createCa("trireme cluster CA");
 * const pair = await issue({ ca, cn: "system:node:node1", o: "system:nodes", sans: ["10.0.0.4"], server: true, client: true });
 * writeKeyPair(dir, "node", pair);                          // node.key, node.crt
 * ```
 */
export {
  type Ca,
  type CertRequest,
  type KeyPair,
  type ParsedRequest,
  type RequestSubject,
  caFromPem,
  createCa,
  createRequest,
  createSigningKey,
  fingerprintOf,
  issue,
  parseRequest,
  publicKeyOf,
  resign,
  sign,
  validityOf,
} from "./ca.ts";
export { mkdirPrivate, readCa, readKeyPair, writeKeyPair, writePrivateFile } from "./files.ts";
export {
  SEALING_FILE,
  type SealingKey,
  type SealingRing,
  createSealingKey,
  createSealingRing,
  parseSealingRing,
  renderSealingRing,
  sealingKeyId,
  withSealingKeys,
  withoutSealingKeys,
} from "./sealing-ring.ts";
export { type Renewal, type Validity, decideRenewal } from "./decide-renewal.ts";
export { type IdentityFiles, LiveIdentity, type TlsFiles } from "./live-identity.ts";
export { MAX_CONNECTIONS, MIN_TLS_VERSION, TlsListener, type TlsListenerOptions, followTls } from "./tls-listener.ts";
export { type NodeIdentity, hostIdOf, nodeIdentities } from "./node-identities.ts";
export { readSharedFolder, sharedFolderOf, writeSharedFolder } from "./shared-folder.ts";
export {
  CA_PATH,
  type ClusterFacts,
  HOST_LABEL,
  type HostData,
  type HostRole,
  type IdentityRequests,
  JOIN_PATH,
  type JoinAnswer,
  type JoinRequest,
  RENEW_PATH,
  type ServerAddress,
  type SignedIdentities,
  TOKEN_SECRET_TYPE,
  type TokenData,
  hostRecordName,
  tokenSecretName,
} from "./join-messages.ts";
export { type JoinToken, createJoinToken, formatJoinToken, joinSecretHash, parseJoinToken } from "./join-token.ts";
