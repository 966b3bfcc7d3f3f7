import type { WriteRestriction } from "../registry/registry.ts";
import type { Authorizer } from "./authorizer.ts";
import { confirmNoEscalation } from "./escalation.ts";
import { restrictNode } from "./node/node-restriction.ts";

/** What of a write its verb and path do not tell: whose node or pod it changes, and what a role or binding would give. */
export function writeRestriction(authorizer: Authorizer): WriteRestriction {
  return (user, resource, next, current) => {
    restrictNode(user, resource, next, current);
    if (next !== undefined) confirmNoEscalation(authorizer, user, resource, next, current);
  };
}
