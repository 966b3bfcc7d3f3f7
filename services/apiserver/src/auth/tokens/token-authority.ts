import { randomUUID } from "node:crypto";
import { type KubeObject, NODES, PODS, type Resource, SECRETS, SERVICEACCOUNTS } from "@trireme/api";
import type { Clock } from "@trireme/base";
import type { ObjectStore } from "../../registry/object-store.ts";
import type { ConsistentReads } from "../../storage/consistent-reads.ts";
import type { User } from "../user.ts";
import {
  type BoundKind,
  type Claims,
  type Reference,
  type TokenSubject,
  claimsProblem,
  newClaims,
  parseClaims,
  userOfClaims,
} from "./claims.ts";
import { signToken, verifiedClaims } from "./jwt.ts";
import type { SigningKeys } from "./signing-keys.ts";

/** Who signs: the name of the API inside the cluster, where its documents for verifiers are as well. */
export const ISSUER = "https://kubernetes.default.svc.cluster.local";

/** For whom tokens are that say nothing else, and for whom they have to be here. */
export const API_AUDIENCES: readonly string[] = [ISSUER];

/** A token counts for so long after its pod, Secret or node was told to go: it may have work to end. As in Kubernetes. */
const DELETION_LEEWAY_MS = 60_000;

/** The outcome of looking at a token. `why` is for logs and for those who may ask, never for its bearer. */
export type Authentication =
  | { readonly user: User; readonly audiences: readonly string[] }
  | { readonly user: undefined; readonly why: string };

/** Issues ServiceAccounts' tokens, and tells whose they are. */
export class TokenAuthority {
  readonly keys: SigningKeys;
  private readonly objects: ObjectStore;
  private readonly reads: ConsistentReads;
  private readonly clock: Clock;

  constructor(keys: SigningKeys, objects: ObjectStore, reads: ConsistentReads, clock: Clock) {
    this.keys = keys;
    this.objects = objects;
    this.reads = reads;
    this.clock = clock;
  }

  /** A token for a subject that is known to be there. */
  issue(
    subject: TokenSubject,
    audiences: readonly string[],
    lifeSeconds: number,
  ): { token: string; expiresAtMs: number } {
    const nowMs = this.clock.now();
    const claims = newClaims(subject, { issuer: ISSUER, audiences, lifeSeconds, nowMs, id: randomUUID() });
    return { token: signToken(this.keys.signing, claims), expiresAtMs: claims.exp * 1000 };
  }

  /** Whose token this is, when it is for one of `audiences`, and its account and what it is bound to are still there. */
  async authenticate(token: string, audiences: readonly string[] = API_AUDIENCES): Promise<Authentication> {
    const payload = verifiedClaims(this.keys.verifying, token);
    const claims = payload === undefined ? undefined : parseClaims(payload);
    if (claims === undefined) return { user: undefined, why: "not a token of this cluster" };
    const problem = claimsProblem(claims, { issuer: ISSUER, audiences, nowMs: this.clock.now() });
    if (problem !== undefined) return { user: undefined, why: problem };
    const dead = await this.deadPart(claims);
    if (dead !== undefined) return { user: undefined, why: dead };
    return { user: userOfClaims(claims), audiences: claims.aud.filter((one) => audiences.includes(one)) };
  }

  private async deadPart({ "kubernetes.io": subject }: Claims): Promise<string | undefined> {
    const { namespace, serviceaccount, pod, secret, node } = subject;
    if (!(await this.lives(SERVICEACCOUNTS as Resource, namespace, serviceaccount)))
      return "its service account has been deleted";
    if (pod !== undefined && !(await this.lives(PODS as Resource, namespace, pod))) return "its pod has been deleted";
    if (secret !== undefined && !(await this.lives(SECRETS as Resource, namespace, secret)))
      return "its secret has been deleted";
    // The node of a pod's token is told for information: the pod is what it lives with.
    if (node !== undefined && pod === undefined && !(await this.lives(NODES as Resource, undefined, node))) {
      return "its node has been deleted";
    }
    return undefined;
  }

  private async lives(resource: Resource, namespace: string | undefined, { name, uid }: Reference): Promise<boolean> {
    const at = { resource, namespace, name };
    let found = this.objects.cached(at)?.object;
    if (found?.metadata.uid !== uid) {
      // Made at another server a moment ago, or gone: the difference is a 401 in a pod that just started.
      found = ((await this.reads.fresh()) ? this.objects.cached(at) : await this.objects.fresh(at))?.object;
    }
    return found !== undefined && found.metadata.uid === uid && !this.isLongGone(found);
  }

  private isLongGone({ metadata }: KubeObject): boolean {
    const { deletionTimestamp } = metadata;
    return deletionTimestamp !== undefined && Date.parse(deletionTimestamp) + DELETION_LEEWAY_MS < this.clock.now();
  }
}

/** The word in a token for a kind that it can be bound to. */
export const BOUND_KINDS: ReadonlyMap<string, { readonly kind: BoundKind; readonly resource: Resource }> = new Map([
  ["Pod", { kind: "pod", resource: PODS as Resource }],
  ["Secret", { kind: "secret", resource: SECRETS as Resource }],
  ["Node", { kind: "node", resource: NODES as Resource }],
]);
