import type { DaemonSet } from "../kinds.ts";
import { defaultPodSpec } from "./pod.ts";

/** Kubernetes' SetDefaults_DaemonSet. */
export function defaultDaemonSet({ spec }: DaemonSet): void {
  if (!spec) return;
  spec.revisionHistoryLimit ??= 10;
  const strategy = (spec.updateStrategy ??= {});
  if (!strategy.type) strategy.type = "RollingUpdate";
  if (strategy.type === "RollingUpdate") {
    strategy.rollingUpdate ??= {};
    strategy.rollingUpdate.maxUnavailable ??= 1;
    strategy.rollingUpdate.maxSurge ??= 0;
  }
  if (spec.template?.spec) defaultPodSpec(spec.template.spec);
}
