import type { AuthContext } from "@grpc/grpc-js/build/src/auth-context.js";
import { inRange } from "@trireme/mvcc";
import type * as rpc from "@trireme/proto/etcdserverpb/rpc";
import type { Request } from "../apply/command.ts";
import { FAILURE } from "../replica/failures.ts";
import { API_KEYS, toKey } from "./convert.ts";

/** What a caller's certificate makes of it. */
export type Role = "apiserver" | "operator";

/** The organisation in the certificate's subject names the role. */
const ROLES: ReadonlyMap<string, Role> = new Map([
  ["trireme:apiservers", "apiserver"],
  ["trireme:operators", "operator"],
]);

/** The caller's role; throws "permission denied" for a certificate that names none. */
export function roleOf(call: { getAuthContext(): AuthContext | null }): Role {
  const organisations: unknown = call.getAuthContext()?.sslPeerCertificate?.subject.O;
  for (const organisation of Array.isArray(organisations) ? organisations : [organisations]) {
    const role = ROLES.get(organisation as string);
    if (role !== undefined) return role;
  }
  throw FAILURE.permissionDenied();
}

/** Throws unless the role may make this change, nested operations included. */
export function checkWrite(role: Role, request: Request): void {
  if (role === "apiserver") return;
  switch (request.$case) {
    case "put":
      checkKeys(toKey(request.value.key), "");
      return;
    case "deleteRange":
      checkKeys(toKey(request.value.key), toKey(request.value.rangeEnd));
      return;
    case "txn":
      checkTxn(request.value);
      return;
    default:
      // A compaction forgets history that everybody may read; what the keys hold stays. Members and alarms are an operator's
      // own business. What a lease takes along is checked where it is known: when the revocation is applied.
      return;
  }
}

function checkTxn(txn: rpc.TxnRequest): void {
  for (const { request } of [...txn.success, ...txn.failure]) {
    if (request?.$case === "requestPut") checkKeys(toKey(request.value.key), "");
    if (request?.$case === "requestDeleteRange") checkKeys(toKey(request.value.key), toKey(request.value.rangeEnd));
    if (request?.$case === "requestTxn") checkTxn(request.value);
  }
}

/** Throws when the range touches the API's keys. */
function checkKeys(key: string, rangeEnd: string): void {
  const touches =
    inRange(key, API_KEYS.key, API_KEYS.rangeEnd) ||
    (rangeEnd !== "" && key < API_KEYS.rangeEnd && (rangeEnd === "\0" || rangeEnd > API_KEYS.key));
  if (touches) throw FAILURE.permissionDenied();
}
