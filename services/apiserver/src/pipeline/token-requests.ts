import {
  type KubeObject,
  type Node,
  NODES,
  type Pod,
  type Resource,
  type TokenRequest,
  type TokenRequestSpec,
  type TokenReview,
  TokenRequest as TokenRequestSchema,
  conflict,
  decodeStrict,
  formatTime,
  groupResource,
  invalidObject,
  notFound,
} from "@trireme/api";
import { TriremeError } from "@trireme/base";
import { API_AUDIENCES, BOUND_KINDS, type TokenAuthority } from "../auth/tokens/token-authority.ts";
import type { TokenSubject } from "../auth/tokens/claims.ts";
import { type User, nodeOf } from "../auth/user.ts";
import { adoptPath } from "../registry/metadata.ts";
import type { NamedTarget, WriteOptions, Written } from "./request.ts";

const KIND = { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest", namespaced: true };

/** Kubernetes' bounds and default for a token's life. */
const MIN_SECONDS = 10 * 60;
const MAX_SECONDS = 2 ** 32;
const DEFAULT_SECONDS = 3600;

/** Reads one object as it is now; undefined: there is none. */
type Read = (at: NamedTarget) => Promise<KubeObject | undefined>;

/** Issues the token that `serviceaccounts/token` asks for. The caller may create it: that was decided before. */
export async function createToken(
  authority: TokenAuthority,
  read: Read,
  user: User,
  target: NamedTarget,
  body: unknown,
  options: WriteOptions,
): Promise<Written> {
  const decoded = decodeStrict(TokenRequestSchema, body, options.fieldValidation ?? "Ignore");
  const request = adoptPath(KIND, decoded.object as TokenRequest, target.namespace, target.name);
  const spec: TokenRequestSpec = request.spec ?? {};
  const audiences = (spec.audiences ?? []).length === 0 ? [...API_AUDIENCES] : spec.audiences!;
  const expirationSeconds = spec.expirationSeconds ?? DEFAULT_SECONDS;
  checkLife(target, expirationSeconds);
  const account = await read(target);
  if (account === undefined) throw notFound(target.resource, target.name);
  const bound = await boundObjects(read, user, target, spec.boundObjectRef);
  const subject: TokenSubject = {
    namespace: target.namespace!,
    serviceaccount: { name: target.name, uid: account.metadata.uid! },
    ...bound,
  };
  const { token, expiresAtMs } = authority.issue(subject, audiences, expirationSeconds);
  const status = { token, expirationTimestamp: formatTime(expiresAtMs) };
  const answer = { ...request, spec: { ...spec, audiences, expirationSeconds }, status };
  return { object: answer as KubeObject, created: true, warnings: decoded.warnings };
}

function checkLife({ resource, name }: NamedTarget, seconds: number): void {
  const field = "spec.expirationSeconds";
  const wrong = (message: string): TriremeError =>
    invalidObject({ ...resource, ...KIND } as Resource, name, [
      { field, reason: "FieldValueInvalid", message: `Invalid value: ${seconds}: ${message}` },
    ]);
  if (seconds < MIN_SECONDS) throw wrong("may not specify a duration less than 10 minutes");
  if (seconds > MAX_SECONDS) throw wrong("may not specify a duration larger than 2^32 seconds");
}

async function boundObjects(
  read: Read,
  user: User,
  target: NamedTarget,
  ref: TokenRequestSpec["boundObjectRef"],
): Promise<Partial<TokenSubject>> {
  const node = nodeOf(user);
  if (ref === undefined) {
    if (node !== undefined) throw refusedToNode(target, "node requested token not bound to a pod");
    return {};
  }
  const { kind = "", apiVersion = "v1", name = "", uid = "" } = ref;
  const known = apiVersion === "v1" ? BOUND_KINDS.get(kind) : undefined;
  if (known === undefined)
    throw new TriremeError("BadRequest", `cannot bind token to object of type ${apiVersion}, Kind=${kind}`);
  if (node !== undefined && kind !== "Pod") throw refusedToNode(target, "node requested token not bound to a pod");
  if (node !== undefined && uid === "")
    throw refusedToNode(target, "node requested token with a pod binding without a uid");
  const namespace = known.resource.namespaced ? target.namespace : undefined;
  const object = await read({ resource: known.resource, namespace, name });
  if (object === undefined) throw notFound(known.resource, name);
  const found = object.metadata.uid!;
  if (uid !== "" && uid !== found) {
    throw conflict(
      target.resource,
      target.name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  const reference = { name, uid: found };
  if (known.kind !== "pod") return { [known.kind]: reference };
  const { spec } = object as Pod;
  if (node !== undefined && spec.nodeName !== node) {
    throw refusedToNode(target, "node requested token bound to a pod scheduled on a different node");
  }
  if ((spec.serviceAccountName ?? "") !== target.name) {
    throw new TriremeError(
      "BadRequest",
      `cannot bind token for serviceaccount "${target.name}" to pod running with different serviceaccount name.`,
    );
  }
  const host = spec.nodeName ? await read({ resource: NODES as Resource, name: spec.nodeName }) : undefined;
  return {
    pod: reference,
    ...(host === undefined ? {} : { node: { name: spec.nodeName!, uid: (host as Node).metadata.uid! } }),
  };
}

function refusedToNode({ resource, name }: NamedTarget, why: string): TriremeError {
  return new TriremeError("Forbidden", `${groupResource(resource)} "${name}" is forbidden: ${why}`, {
    details: { name, group: resource.group, kind: resource.resource },
  });
}

/** The answer to a TokenReview. Who may ask is told why a token is not good; its bearer is not. */
export async function reviewToken(
  authority: TokenAuthority,
  { spec }: TokenReview,
): Promise<NonNullable<TokenReview["status"]>> {
  const asked = spec?.audiences ?? [];
  const found = await authority.authenticate(spec?.token ?? "", asked.length === 0 ? API_AUDIENCES : asked);
  if (found.user === undefined) return { user: {}, error: `invalid bearer token: ${found.why}` };
  const { name, uid, groups, extra } = found.user;
  const user = {
    username: name,
    groups: [...groups],
    ...(uid === undefined ? {} : { uid }),
    ...(extra ? { extra } : {}),
  };
  return { authenticated: true, user, audiences: [...found.audiences] };
}
