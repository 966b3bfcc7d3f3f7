import { CLUSTERROLES, type ClusterRole, aggregatedRules, splitKey } from "@trireme/api";
import { hasCode } from "@trireme/base";
import type { Informer } from "@trireme/controller";
import { canonical } from "../canonical.ts";
import type { ControllerContext, Outcome, ReconcilerSpec } from "../context.ts";
import { Expectations } from "../expectations.ts";
import { withKind } from "../ownership.ts";

/** A write is on its way back to the cache: look again, since what depends on it waits. */
const UNSETTLED_REQUEUE_MS = 250;

/** Writes into aggregating ClusterRoles the rules of those that their selectors match. */
export function createAggregationController(
  { client, log }: Pick<ControllerContext, "client" | "log">,
  roles: Informer<ClusterRole>,
): ReconcilerSpec {
  const expectations = new Expectations();

  function watch(enqueue: (key: string) => void): () => void {
    // Any role may match any selector, by its labels now or before: there are few that aggregate.
    return roles.onChange(() => {
      for (const { metadata, aggregationRule } of roles.list()) {
        if (aggregationRule !== undefined) enqueue(`/${metadata.name}`);
      }
    });
  }

  async function reconcile(key: string): Promise<Outcome | void> {
    if (!expectations.met(key)) return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    const { name } = splitKey(key);
    const role = roles.get("", name);
    if (role === undefined || role.metadata.deletionTimestamp !== undefined) return;
    const rules = aggregatedRules(role, roles.list());
    if (rules === undefined || canonical(rules) === canonical(role.rules ?? [])) return;
    try {
      const written = await client
        .resource<ClusterRole>(CLUSTERROLES)
        .update(withKind(CLUSTERROLES, { ...role, rules }));
      expectations.wrote(key, roles, written);
      log.info("aggregated a cluster role", { key: name, rules: rules.length });
    } catch (thrown) {
      // Somebody wrote it meanwhile, which is an event that brings us back.
      if (!hasCode(thrown, "Conflict") && !hasCode(thrown, "NotFound")) throw thrown;
    }
  }

  return { name: "clusterrole-aggregation", workers: 1, watch, reconcile };
}
