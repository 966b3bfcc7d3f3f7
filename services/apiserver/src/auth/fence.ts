import { TriremeError } from "@trireme/base";
import type { Compare } from "@trireme/store-client";
import type { Fence } from "../pipeline/request.ts";
import { fenceKey } from "../storage/keys.ts";
import { mayUseFence } from "./policy.ts";
import type { User } from "./user.ts";

/** Leases of elections are named so, in {@link ELECTION_NAMESPACE}. */
const ELECTION_LEASE = /^trireme-([a-z][a-z0-9-]*)$/;

/** Where elections' Leases live. */
export const ELECTION_NAMESPACE = "kube-system";

/** Parses the header `Trireme-Fence: <election>=<revision>`. */
export function parseFence(header: string | undefined): Fence | undefined {
  if (header === undefined || header === "") return undefined;
  const match = /^([a-z][a-z0-9-]*)=([1-9][0-9]{0,15})$/.exec(header);
  if (match === null) {
    throw new TriremeError("BadRequest", `Trireme-Fence: "${header}" is not of the form <election>=<revision>`);
  }
  return { election: match[1]!, revision: Number(match[2]) };
}

/** Refuses a fence that is not of the user's own election. */
export function checkFenceIdentity(user: User, fence: Fence | undefined): void {
  if (fence === undefined || mayUseFence(user, fence.election)) return;
  throw new TriremeError("Forbidden", `User "${user.name}" may not use the fence of the election "${fence.election}"`);
}

/** The condition that a fenced write adds to its transaction. */
export function fenceCompare(fence: Fence): Compare {
  return { key: fenceKey(fence.election), target: "mod", result: "=", value: fence.revision };
}

/** The refusal of a write whose election has moved on. */
export function fencedError(fence: Fence, present: number): TriremeError {
  const now = present === 0 ? "there is no holder" : `the fence is now ${present}`;
  return new TriremeError(
    "Fenced",
    `the election "${fence.election}" has moved on: the write carries fence ${fence.revision}, but ${now}; stop acting`,
  );
}

/** The election that a Lease decides, if it is one of ours. */
export function electionOfLease(namespace: string | undefined, name: string): string | undefined {
  if (namespace !== ELECTION_NAMESPACE) return undefined;
  return ELECTION_LEASE.exec(name)?.[1];
}
