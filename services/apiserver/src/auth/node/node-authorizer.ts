/**
 * What an agent may do (Kubernetes' node authorizer): its own Node and Lease, its pods, and of configuration and secrets that
 * which its pods name. Pure.
 */
import { NODE_RULES } from "../rbac/default-roles.ts";
import { ruleAllows } from "../rbac/rules.ts";
import type { Attributes, Decision } from "../policy.ts";
import type { NodeReferences } from "./node-graph.ts";

const NODE_LEASES = "kube-node-lease";

/** Decides for the agent of `node`. */
export function authorizeNode(references: NodeReferences, node: string, want: Attributes): Decision {
  if (!NODE_RULES.some((rule) => ruleAllows(rule, want))) return { allowed: false, reason: "" };
  const refusal = refusalOf(references, node, want);
  return refusal === undefined ? { allowed: true } : { allowed: false, reason: refusal };
}

/** Why this node may not, though some node may; undefined: it may. */
function refusalOf(references: NodeReferences, node: string, want: Attributes): string | undefined {
  const { verb, name = "", namespace = "" } = want;
  switch (`${want.group}/${want.resource}`) {
    case "/configmaps":
    case "/secrets":
    case "/persistentvolumeclaims": {
      if (name === "") return "No Object name found";
      const kind = want.resource as "configmaps" | "secrets" | "persistentvolumeclaims";
      return references.names(node, kind, namespace, name) ? undefined : unrelated(node);
    }
    case "/persistentvolumes": {
      // Which changes of a volume are a node's to make is decided by the change.
      if (name === "" || verb === "patch") return undefined;
      const claim = references.claimOf(name);
      if (claim === undefined) return undefined;
      return references.names(node, "persistentvolumeclaims", claim.namespace, claim.name)
        ? undefined
        : unrelated(node);
    }
    case "/serviceaccounts":
      return references.names(node, "serviceaccounts", namespace, name) ? undefined : unrelated(node);
    case "/nodes":
      // A create names its object in the body: NodeRestriction looks at it there.
      if (["get", "list", "watch"].includes(verb) || name === node || (verb === "create" && name === ""))
        return undefined;
      return `node "${node}" is not allowed to modify node "${name}"`;
    case "/pods":
      if (verb !== "list" && verb !== "watch") return undefined;
      return want.nodeName === node ? undefined : "can only list/watch pods with spec.nodeName field selector";
    case "coordination.k8s.io/leases":
      if (namespace !== NODE_LEASES) return `can only access leases in the "${NODE_LEASES}" system namespace`;
      if (["get", "list", "watch"].includes(verb) || name === node || (verb === "create" && name === ""))
        return undefined;
      return "can only access node lease with the same name as the requesting node";
    default:
      return undefined;
  }
}

function unrelated(node: string): string {
  return `no relationship found between node '${node}' and this object`;
}
