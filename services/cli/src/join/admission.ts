import { existsSync, readFileSync } from "node:fs";
import { type NatsCredentials, createUserSeed, publicKeyOfSeed } from "@trireme/bus";
import { TriremeError } from "@trireme/base";
import { errorFromResponse } from "@trireme/client";
import {
  JOIN_PATH,
  type IdentityRequests,
  type JoinAnswer,
  type JoinRequest,
  createRequest,
  createSigningKey,
  nodeIdentities,
  parseJoinToken,
  writePrivateFile,
  writeSharedFolder,
} from "@trireme/pki";
import type { Machine } from "../plan/cluster-plan.ts";
import { type HostFile, admittedFile } from "../plan/host-file.ts";
import { ensureHostKey, writeHostFile } from "./files.ts";
import { pinCa, postPinned, serverUrl } from "./pinned.ts";
import { createServerIdentities } from "./server-identities.ts";

/** Whom to join, and by which token. */
export interface Invitation {
  /** `https://HOST:6443` of any server. */
  readonly join: string;
  readonly token: string;
  readonly replace?: string;
}

/**
 * Makes a machine one of the cluster's: pins the CA, proves the token, writes keys, certificates and `host.json`. Typed
 * again after a break it does the same again with the same keys, and the server knows the machine by them.
 */
export async function admit(host: Machine, { join, token, replace }: Invitation): Promise<HostFile> {
  const { caHash, id, secret } = parseJoinToken(token);
  const server = serverUrl(join);
  const ca = await pinCa(server, caHash);
  const { name, role, address } = host;
  const hostKey = await ensureHostKey(host.dir);
  const requests = role === "node" ? await requestsOf(host) : { certificates: {}, bus: {} };
  const request: JoinRequest = {
    token: `${id}.${secret}`,
    role,
    name,
    address,
    host: await createRequest({ cn: name }, hostKey),
    ...(replace === undefined ? {} : { replace }),
    ...requests,
  };
  const { status, body } = await postPinned(server, ca, JOIN_PATH, request);
  if (status !== 200) {
    const { code, message } = errorFromResponse(status, Buffer.from(body));
    throw new TriremeError(code, `${server.host} does not admit ${role} "${name}": ${message}`);
  }
  const answer = JSON.parse(body) as JoinAnswer;
  const file = admittedFile(host, answer, replace);
  if (role === "node") writeNodeIdentities(host.dir, ca, answer);
  else {
    writeSharedFolder(`${host.dir}/pki`, answer.shared ?? {});
    await createServerIdentities(host, file);
  }
  writeHostFile(host.dir, file);
  return file;
}

/** Keys of a node, made once and kept, and what is to be signed for them. */
async function requestsOf({ dir, name, address }: Machine): Promise<IdentityRequests> {
  const certificates: Record<string, string> = {};
  const bus: Record<string, string> = {};
  for (const { file, cn, o, sans } of nodeIdentities(name, address)) {
    const path = `${dir}/pki/${file}.key`;
    if (!existsSync(path)) writePrivateFile(path, await createSigningKey());
    certificates[file] = await createRequest({ cn, o, sans }, readFileSync(path, "utf8"));
    const seed = busSeed(`${dir}/pki/nats-creds/${file}.json`);
    bus[file] = publicKeyOfSeed(seed);
  }
  return { certificates, bus };
}

function busSeed(path: string): string {
  if (!existsSync(path)) writePrivateFile(path, JSON.stringify({ jwt: "", seed: createUserSeed() }));
  return (JSON.parse(readFileSync(path, "utf8")) as NatsCredentials).seed;
}

function writeNodeIdentities(dir: string, ca: string, signed: JoinAnswer): void {
  writePrivateFile(`${dir}/pki/ca.crt`, ca);
  for (const [file, cert] of Object.entries(signed.certificates)) writePrivateFile(`${dir}/pki/${file}.crt`, cert);
  for (const [file, jwt] of Object.entries(signed.bus)) {
    const path = `${dir}/pki/nats-creds/${file}.json`;
    writePrivateFile(path, JSON.stringify({ jwt, seed: busSeed(path) }));
  }
}
