import type { PolicyRule } from "@trireme/api";
import { TriremeError } from "@trireme/base";
import type { WatchCache } from "../storage/watch-cache.ts";
import { authorizeNode } from "./node/node-authorizer.ts";
import { NodeGraph } from "./node/node-graph.ts";
import type { Attributes, Decision } from "./policy.ts";
import { CachedPolicies } from "./rbac/cached-policies.ts";
import type { PolicySource, Resolved } from "./rbac/policies.ts";
import { removedReason } from "../join/hosts.ts";
import { ALL, ruleAllows, ruleAllowsPath } from "./rbac/rules.ts";
import { type User, nodeOf } from "./user.ts";

/** Whoever is in this group may do everything; no binding can take it away, so that nobody can lock everybody out. */
export const MASTERS = "system:masters";

const EVERYTHING: readonly PolicyRule[] = [
  { verbs: [ALL], apiGroups: [ALL], resources: [ALL] },
  { verbs: [ALL], nonResourceURLs: [ALL] },
];

/** Rules of a user; `incomplete` says why there may be more. */
export interface RulesOfUser extends Resolved {
  readonly incomplete?: string;
}

/**
 * Who may do what, as the watch cache has it: super users, then agents by what their pods name, then roles. The first
 * that allows decides.
 */
export class Authorizer {
  private readonly cache: WatchCache;
  private readonly policies: CachedPolicies;
  private readonly graph: NodeGraph;
  private bootstrapped = false;

  constructor(cache: WatchCache) {
    this.cache = cache;
    this.policies = new CachedPolicies(cache);
    this.graph = new NodeGraph(cache);
  }

  /** Roles and bindings, for whoever judges what a role may grant. */
  get source(): PolicySource {
    return this.policies;
  }

  /** From now on a refusal is one: the roles that every cluster has are there. */
  begin(): void {
    this.bootstrapped = true;
  }

  /** Decides on a resource. Throws ServiceUnavailable instead of refusing before the default roles are there. */
  authorize(user: User, want: Attributes): Decision {
    if (user.groups.includes(MASTERS)) return { allowed: true };
    const removed = removedReason(this.cache, user);
    if (removed !== undefined) return this.refusal([removed]);
    const node = nodeOf(user);
    const asNode = node === undefined ? undefined : authorizeNode(this.graph, node, want);
    if (asNode?.allowed === true) return asNode;
    const { rules, errors } = this.policies.rulesOf(user, want.namespace ?? "");
    if (rules.some((rule) => ruleAllows(rule, want))) return { allowed: true };
    return this.refusal([asNode?.reason ?? "", ...rbacReason(errors)]);
  }

  /** Decides on a path that leads to no resource. */
  authorizePath(user: User, verb: string, path: string): Decision {
    if (user.groups.includes(MASTERS)) return { allowed: true };
    const { rules, errors } = this.policies.rulesOf(user, "");
    if (rules.some((rule) => ruleAllowsPath(rule, verb, path))) return { allowed: true };
    return this.refusal(rbacReason(errors));
  }

  /** All that a user may do in a namespace. */
  rulesOf(user: User, namespace: string): RulesOfUser {
    if (user.groups.includes(MASTERS)) return { rules: EVERYTHING, errors: [] };
    const resolved = this.policies.rulesOf(user, namespace);
    if (nodeOf(user) === undefined) return resolved;
    return { ...resolved, incomplete: "node authorizer does not support user rule resolution" };
  }

  private refusal(reasons: readonly string[]): Decision {
    if (!this.bootstrapped || (!this.cache.synced && this.cache.revision === 0)) throw notYet();
    return { allowed: false, reason: reasons.filter((reason) => reason !== "").join(", ") };
  }
}

function rbacReason(errors: readonly string[]): string[] {
  return errors.length === 0 ? [] : [`RBAC: ${errors.length === 1 ? errors[0] : `[${errors.join(", ")}]`}`];
}

function notYet(): TriremeError {
  return new TriremeError(
    "ServiceUnavailable",
    "this server does not know yet who may do what: it has just started; ask again or ask another server",
    { details: { retryAfterSeconds: 1 } },
  );
}
