import type { Pod, Taint, Toleration } from "@trireme/api";

/** Taints that this controller sets by a node's readiness. */
export const UNREACHABLE = "node.kubernetes.io/unreachable";
export const NOT_READY = "node.kubernetes.io/not-ready";

/**
 * How long a pod may stay on a node with this NoExecute taint: 0 is no time at all, undefined for ever. A pod that says
 * nothing about a lost node stays for `defaultSeconds`, a setting of the cluster.
 */
export function tolerationSeconds(pod: Pod, taint: Taint, defaultSeconds: number): number | undefined {
  const matching = (pod.spec.tolerations ?? []).filter((toleration) => covers(toleration, taint));
  if (matching.length === 0) return taint.key === UNREACHABLE || taint.key === NOT_READY ? defaultSeconds : 0;
  const bounded = matching.flatMap(({ tolerationSeconds: seconds }) =>
    seconds === undefined ? [] : [Math.max(0, seconds)],
  );
  return bounded.length === 0 ? undefined : Math.min(...bounded);
}

function covers(toleration: Toleration, taint: Taint): boolean {
  if ((toleration.effect ?? "") !== "" && toleration.effect !== taint.effect) return false;
  if ((toleration.key ?? "") === "") return toleration.operator === "Exists";
  if (toleration.key !== taint.key) return false;
  return toleration.operator === "Exists" || (toleration.value ?? "") === (taint.value ?? "");
}
