import {
  CLUSTERROLEBINDINGS,
  CLUSTERROLES,
  type KubeObject,
  ROLEBINDINGS,
  ROLES,
  type Resource,
  type Role,
  type RoleBinding,
} from "@trireme/api";
import { hasCode } from "@trireme/base";
import type { RequestPipeline } from "../../pipeline/pipeline.ts";
import type { Caller } from "../../pipeline/request.ts";
import { defaultPolicy } from "./default-roles.ts";
import { type Reconciliation, reconcileBinding, reconcileRole } from "./reconcile.ts";

/**
 * Makes the default roles and bindings, and gives those that are there what this release adds to them. Safe to repeat, by
 * all servers at once; throws when another one was in the way, to be called again.
 */
export async function ensureDefaultPolicy(pipeline: RequestPipeline, caller: Caller): Promise<void> {
  const { clusterRoles, clusterRoleBindings, roles, roleBindings } = defaultPolicy();
  const role = (of: Resource) => (wanted: Role) => ensure(pipeline, caller, of, wanted, reconcileRole);
  const binding = (of: Resource) => (wanted: RoleBinding) => ensure(pipeline, caller, of, wanted, reconcileBinding);
  // All at once: the store gathers them into a few syncs. A binding may name a role that comes a moment later.
  await Promise.all([
    ...clusterRoles.map(role(CLUSTERROLES as Resource)),
    ...roles.map(role(ROLES as Resource)),
    ...clusterRoleBindings.map(binding(CLUSTERROLEBINDINGS as Resource)),
    ...roleBindings.map(binding(ROLEBINDINGS as Resource)),
  ]);
}

async function ensure<T extends KubeObject>(
  pipeline: RequestPipeline,
  caller: Caller,
  resource: Resource,
  wanted: T,
  reconcile: (wanted: T, present: T) => Reconciliation<T>,
): Promise<void> {
  const { name, namespace } = wanted.metadata;
  const target = { resource, namespace, name };
  const create = async (): Promise<void> => {
    try {
      await pipeline.create(caller, { resource, namespace }, wanted, {});
    } catch (thrown) {
      // Another server was faster, and wrote the same.
      if (!hasCode(thrown, "AlreadyExists")) throw thrown;
    }
  };
  let present: T;
  try {
    present = (await pipeline.get(caller, target)).object as T;
  } catch (thrown) {
    if (!hasCode(thrown, "NotFound")) throw thrown;
    return create();
  }
  const todo = reconcile(wanted, present);
  if (todo.kind === "keep") return;
  if (todo.kind === "update") {
    await pipeline.update(caller, target, todo.object, {});
    return;
  }
  await pipeline.delete(caller, target, { uid: present.metadata.uid });
  await create();
}
