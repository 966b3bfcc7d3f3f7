import { type KubeObject, type Resource, trackUpdate } from "@trireme/api";
import type { Caller, WriteOptions } from "../pipeline/request.ts";
import { rfc3339 } from "./metadata.ts";

/** Longest name of a field manager (Kubernetes' bound). */
const MAX_MANAGER_LENGTH = 128;

/**
 * Kinds that machines write many times a minute and nobody applies: tracking who owns which of their fields would cost
 * more than the fields.
 */
const UNTRACKED = new Set(["leases", "events", "endpointslices"]);

/** Who the fields belong to: as the client says, else the first word of its User-Agent. */
export function managerOf(caller: Caller, options: WriteOptions): string {
  const given = options.fieldManager ?? "";
  const fromAgent = (caller.userAgent ?? "").split(/[/\s]/)[0] ?? "";
  return (given || fromAgent || "unknown").slice(0, MAX_MANAGER_LENGTH);
}

/** Notes in `managedFields` what this update changed. */
export function tracked(
  resource: Resource,
  live: KubeObject | undefined,
  updated: KubeObject,
  manager: string,
  nowMs: number,
  subresource?: string,
): KubeObject {
  if (UNTRACKED.has(resource.resource)) return updated;
  const request = { resource, live, updated, manager, now: rfc3339(nowMs) };
  return trackUpdate(subresource === undefined ? request : { ...request, subresource });
}
