import {
  CLUSTERROLEBINDINGS,
  CLUSTERROLES,
  type ClusterRole,
  type ClusterRoleBinding,
  ROLEBINDINGS,
  ROLES,
  type Role,
  type RoleBinding,
} from "@trireme/api";
import type { WatchCache } from "../../storage/watch-cache.ts";
import type { User } from "../user.ts";
import { type PolicySource, type Resolved, rulesOf } from "./policies.ts";

/**
 * Users and namespaces whose rules are remembered. Each of our own parts is a user with a handful of namespaces; what is
 * beyond the bound is resolved again, which takes a look at every binding.
 */
const MAX_REMEMBERED = 2048;

/** Roles and bindings as the watch cache has them, and what users have by them, until one of them changes. */
export class CachedPolicies implements PolicySource {
  private readonly cache: WatchCache;
  private readonly remembered = new Map<string, Resolved>();

  constructor(cache: WatchCache) {
    this.cache = cache;
    const forget = (): void => this.remembered.clear();
    for (const resource of [ROLES, ROLEBINDINGS, CLUSTERROLES, CLUSTERROLEBINDINGS]) {
      cache.subscribe(resource, { onEvent: forget, onReset: forget });
    }
  }

  /** {@link rulesOf} the cache's present state. */
  rulesOf(user: User, namespace: string): Resolved {
    // A group may hold any character but NUL comes in no certificate's name.
    const key = [namespace, user.name, ...user.groups].join("\0");
    const known = this.remembered.get(key);
    if (known !== undefined) return known;
    const resolved = rulesOf(this, user, namespace);
    if (this.remembered.size >= MAX_REMEMBERED) this.remembered.clear();
    this.remembered.set(key, resolved);
    return resolved;
  }

  role(namespace: string, name: string): Role | undefined {
    return this.cache.of(ROLES).get(`${namespace}/${name}`)?.object as Role | undefined;
  }

  clusterRole(name: string): ClusterRole | undefined {
    return this.cache.of(CLUSTERROLES).get(name)?.object as ClusterRole | undefined;
  }

  roleBindings(namespace: string): RoleBinding[] {
    return [...this.cache.of(ROLEBINDINGS).range(`${namespace}/`)].map((one) => one.object as RoleBinding);
  }

  clusterRoleBindings(): ClusterRoleBinding[] {
    return [...this.cache.of(CLUSTERROLEBINDINGS).range("")].map((one) => one.object as ClusterRoleBinding);
  }
}
