import { hasCode } from "@trireme/base";
import { LEASES, type Resource } from "@trireme/api";
import { ELECTION_NAMESPACE, type LeaseObject, type LeasePort } from "@trireme/controller";
import { RELAY } from "../auth/user.ts";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import type { Caller, NamedTarget } from "../pipeline/request.ts";

const CALLER: Caller = { user: RELAY, userAgent: "trireme-relay" };

/** The Leases of elections, asked for inside the process: the relay stands for office like any other actor. */
export function pipelineLeases(pipeline: RequestPipeline): LeasePort {
  const at = (name: string): NamedTarget => ({ resource: LEASES as Resource, namespace: ELECTION_NAMESPACE, name });
  return {
    async get(name) {
      try {
        return (await pipeline.get(CALLER, at(name))).object as LeaseObject;
      } catch (thrown) {
        if (hasCode(thrown, "NotFound")) return undefined;
        throw thrown;
      }
    },
    async create(lease) {
      const { resource, namespace } = at(lease.metadata.name);
      return (await pipeline.create(CALLER, { resource, namespace }, lease, {})).object as LeaseObject;
    },
    async update(lease) {
      return (await pipeline.update(CALLER, at(lease.metadata.name), lease, {})).object as LeaseObject;
    },
  };
}
