import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type NatsSigner, dnsPermissions, nodePermissions, signUser } from "@trireme/bus";
import { TriremeError } from "@trireme/base";
import {
  type IdentityRequests,
  type NodeIdentity,
  type ParsedRequest,
  type SignedIdentities,
  nodeIdentities,
  parseRequest,
  readCa,
  sharedFolderOf,
  sign,
} from "@trireme/pki";

/** The bus' claims end after this; renewed well before, by the node itself. What a removed node still hears ends with it. */
export const BUS_CLAIMS_SECONDS = 24 * 60 * 60;

/** A node whose identities are to be signed. */
export interface NodeHost {
  readonly name: string;
  readonly address: string;
  readonly hostId: string;
}

/**
 * Signs what a node asks for, and nothing else than what a node of this name and address may be: who asks for another
 * name, another group or another address is refused with the reason (attack A24).
 */
export async function issueNode(
  pkiDir: string,
  host: NodeHost,
  requests: IdentityRequests,
  nowMs: number,
): Promise<SignedIdentities> {
  const shared = sharedFolderOf(pkiDir);
  const wanted = nodeIdentities(host.name, host.address);
  refuseOthers(host, Object.keys(requests.certificates), wanted);
  const ca = readCa(shared, "ca");
  const certificates: Record<string, string> = {};
  for (const identity of wanted) {
    const text = requests.certificates[identity.file];
    if (text === undefined) continue;
    const request = await parseRequest(text);
    refuseForeign(host, request, identity);
    const { cn, o, sans } = identity;
    const subject = { ca, cn, o, ou: host.hostId, sans, server: true, client: true };
    certificates[identity.file] = await sign(subject, request.publicKey);
  }
  const { account } = JSON.parse(readFileSync(join(shared, "bus.json"), "utf8")) as { account: NatsSigner };
  const bus: Record<string, string> = {};
  const expires = Math.floor(nowMs / 1000) + BUS_CLAIMS_SECONDS;
  for (const [file, publicKey] of Object.entries(requests.bus)) {
    const claims = { name: `${file}:${host.name}`, expires, ...busPermissions(file, host.name) };
    bus[file] = signUser(claims, publicKey, account, nowMs);
  }
  return { certificates, bus };
}

function busPermissions(file: string, node: string): ReturnType<typeof nodePermissions> {
  if (file === "node") return nodePermissions(node);
  if (file === "dns") return dnsPermissions();
  throw new TriremeError("Forbidden", `node "${node}" may not have the bus identity "${file}": it has node and dns`);
}

function refuseOthers(host: NodeHost, files: readonly string[], wanted: readonly NodeIdentity[]): void {
  const other = files.find((file) => !wanted.some((identity) => identity.file === file));
  if (other === undefined) return;
  throw new TriremeError("Forbidden", `node "${host.name}" may not have the certificate "${other}"`);
}

/** What a request says must be what its asker may be, word for word. */
function refuseForeign(host: NodeHost, request: ParsedRequest, identity: NodeIdentity): void {
  const refuse = (what: string, asked: string, allowed: string): never => {
    throw new TriremeError(
      "Forbidden",
      `node "${host.name}" asks for a certificate with the ${what} "${asked}"; it may have "${allowed}" alone`,
    );
  };
  if (request.cn !== identity.cn) refuse("name", request.cn, identity.cn);
  const group = request.o.find((one) => one !== identity.o);
  if (group !== undefined) refuse("group", group, identity.o);
  const san = request.sans.find((one) => !identity.sans.includes(one));
  if (san !== undefined) refuse("address or host name", san, identity.sans.join(", "));
}
