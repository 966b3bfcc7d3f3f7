import {
  CONFIGMAPS,
  type KubeObject,
  type Lease,
  NAMESPACES,
  type Namespace,
  type Node,
  type Resource,
  SERVICEACCOUNTS,
  type Service,
  apiVersionOf,
} from "@trireme/api";
import { TriremeError } from "@trireme/base";
import type { Compare, TxnOp } from "@trireme/store-client";
import { electionOfLease } from "../auth/fence.ts";
import { mayUseFence } from "../auth/policy.ts";
import type { User } from "../auth/user.ts";
import { decodeObject, encodeObject } from "../storage/codec.ts";
import { fenceKey, keyOfObject } from "../storage/keys.ts";
import { type AllocationRanges, allocateNode, allocateService } from "./allocation.ts";
import { stampNew } from "./metadata.ts";
import { ROOT_CA_CONFIGMAP } from "./pod-account.ts";
import type { Location, Observed, ObjectStore } from "./object-store.ts";
import { namespaceNotFound, namespaceTerminating } from "./refusals.ts";

/** A state to write and what goes with it in one transaction. */
export interface Effects {
  readonly next: KubeObject | undefined;
  readonly believes: readonly Compare[];
  readonly also: readonly TxnOp[];
}

/** What a resource's writes entail besides the object itself. Pure but for fresh uids. */
export function effectsOf(
  at: Location,
  next: KubeObject | undefined,
  current: KubeObject | undefined,
  observed: Observed,
  context: {
    readonly user: User;
    readonly ranges: AllocationRanges;
    readonly nowMs: number;
    readonly rootCa?: string | undefined;
  },
): Effects {
  const subject = { resource: at.resource, ranges: context.ranges, observed };
  switch (at.resource.resource) {
    case "services":
      return toEffects(
        allocateService(
          subject.resource,
          next as Service | undefined,
          current as Service | undefined,
          subject.ranges,
          observed,
        ),
      );
    case "nodes":
      return toEffects(allocateNode(next as Node | undefined, current as Node | undefined, subject.ranges, observed));
    case "leases":
      return fenceEffects(at, next as Lease | undefined, current as Lease | undefined, context.user);
    case "namespaces":
      if (next !== undefined && current === undefined)
        return newNamespace(next as Namespace, context.nowMs, context.rootCa);
      return { next, believes: [], also: [] };
    default:
      return { next, believes: [], also: [] };
  }
}

function toEffects(allocated: {
  readonly object: KubeObject | undefined;
  readonly believes: readonly Compare[];
  readonly also: readonly TxnOp[];
}): Effects {
  return { next: allocated.object, believes: allocated.believes, also: allocated.also };
}

/**
 * A change of holder writes the election's fence in the same transaction, so that the Lease's new resourceVersion is the
 * fence's revision: from that moment no write of the former holder passes.
 */
function fenceEffects(at: Location, next: Lease | undefined, current: Lease | undefined, user: User): Effects {
  const election = electionOfLease(at.namespace, at.name);
  if (election === undefined) return { next, believes: [], also: [] };
  if (!mayUseFence(user, election) && !user.groups.includes("system:masters")) {
    throw new TriremeError("Forbidden", `User "${user.name}" does not take part in the election "${election}"`);
  }
  const key = fenceKey(election);
  if (next === undefined) return { next, believes: [], also: [{ deleteRange: { key } }] };
  const holder = next.spec?.holderIdentity ?? "";
  if (current !== undefined && termOf(next) === termOf(current)) return { next, believes: [], also: [] };
  return { next, believes: [], also: [{ put: { key, value: Buffer.from(holder) } }] };
}

/** A holder that was restarted holds under its old name, but it is another term: it has another acquireTime. */
function termOf(lease: Lease): string {
  return `${lease.spec?.holderIdentity ?? ""} ${lease.spec?.acquireTime ?? ""}`;
}

/** A namespace is born with its default ServiceAccount and the API's CA, so that the first pod in it need not wait. */
function newNamespace(namespace: Namespace, nowMs: number, rootCa: string | undefined): Effects {
  const name = namespace.metadata.name!;
  const born = (resource: Resource, object: string, content: object = {}): TxnOp => {
    const { kind } = resource;
    const metadata = { name: object, namespace: name };
    const stamped = stampNew(resource, { apiVersion: apiVersionOf(resource), kind, metadata, ...content }, nowMs);
    return { put: { key: keyOfObject(resource, name, object), value: encodeObject(stamped) } };
  };
  const account = born(SERVICEACCOUNTS as Resource, "default");
  const also =
    rootCa === undefined
      ? [account]
      : [account, born(CONFIGMAPS as Resource, ROOT_CA_CONFIGMAP, { data: { "ca.crt": rootCa } })];
  return { next: namespace, believes: [], also };
}

/** What a create believes of its namespace: that it is there and not on its way out. */
export class NamespaceBelief {
  private readonly compare: Compare;
  private readonly key: string;

  private constructor(key: string, revision: number) {
    this.key = key;
    this.compare = { key, target: "mod", result: "=", value: revision };
  }

  /** Reads the namespace; throws when nothing may be created in it. */
  static async of(objects: ObjectStore, at: Location): Promise<NamespaceBelief | undefined> {
    if (!at.resource.namespaced) return undefined;
    const name = at.namespace!;
    const where = { resource: NAMESPACES as Resource, namespace: undefined, name };
    const state = await objects.cachedOrFresh(where);
    if (state === undefined) throw namespaceNotFound(name);
    checkActive(at, state.object);
    return new NamespaceBelief(keyOfObject(NAMESPACES, undefined, name), state.revision);
  }

  /** The condition for the transaction, by what an earlier attempt may have found. */
  compares(at: Location, observed: Observed): Compare[] {
    if (!observed.has(this.key)) return [this.compare];
    const found = observed.get(this.key);
    if (found === undefined) throw namespaceNotFound(at.namespace!);
    checkActive(at, decodeObject(found.value, found.modRevision));
    return [{ key: this.key, target: "mod", result: "=", value: found.modRevision }];
  }
}

function checkActive(at: Location, namespace: KubeObject): void {
  if (namespace.metadata.deletionTimestamp !== undefined) throw namespaceTerminating(at);
}
