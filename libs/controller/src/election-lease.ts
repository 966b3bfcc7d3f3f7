import { TriremeError, errorFrom } from "@trireme/base";
import { type ApiClient, errorFromResponse } from "@trireme/client";

/** The part of a Lease that elections use. */
export interface LeaseObject {
  readonly apiVersion: "coordination.k8s.io/v1";
  readonly kind: "Lease";
  readonly metadata: { readonly name: string; readonly namespace: string; readonly resourceVersion?: string };
  readonly spec: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/** The three calls that an election needs. All fail with TriremeErrors. */
export interface LeasePort {
  /** Undefined when there is none. */
  get(name: string): Promise<LeaseObject | undefined>;
  create(lease: LeaseObject): Promise<LeaseObject>;
  /** With the object's resourceVersion as precondition: fails with `Conflict`. */
  update(lease: LeaseObject): Promise<LeaseObject>;
}

/** Where the Leases of elections live. */
export const ELECTION_NAMESPACE = "kube-system";

/** One call's patience: a renewal that takes longer is tried again, likely on another server, while there is time. */
const CALL_TIMEOUT_MS = 1000;

/** The Leases of a cluster, through its API. */
export function leasesOf(client: ApiClient): LeasePort {
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${ELECTION_NAMESPACE}/leases`;
  async function call(method: string, path: string, body?: LeaseObject): Promise<LeaseObject> {
    const answer = await client.raw(method, path, {
      timeoutMs: CALL_TIMEOUT_MS,
      ...(body === undefined ? {} : { body }),
    });
    if (answer.status >= 400) throw errorFromResponse(answer.status, answer.body);
    try {
      return JSON.parse(answer.body.toString("utf8")) as LeaseObject;
    } catch (cause) {
      throw new TriremeError("InternalError", `${method} ${path}: the answer is not JSON`, { cause });
    }
  }
  return {
    async get(name) {
      try {
        return await call("GET", `${collection}/${encodeURIComponent(name)}`);
      } catch (thrown) {
        if (errorFrom(thrown).code === "NotFound") return undefined;
        throw thrown;
      }
    },
    create: (lease) => call("POST", collection, lease),
    update: (lease) => call("PUT", `${collection}/${encodeURIComponent(lease.metadata.name)}`, lease),
  };
}
