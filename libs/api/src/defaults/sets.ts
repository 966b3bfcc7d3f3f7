import type { DaemonSet, StatefulSet } from "../kinds.ts";
import { defaultPodSpec } from "./pod.ts";
import { defaultClaimSpec } from "./storage.ts";

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

/** Kubernetes' SetDefaults_StatefulSet. */
export function defaultStatefulSet({ spec }: StatefulSet): void {
  if (!spec) return;
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  if (!spec.podManagementPolicy) spec.podManagementPolicy = "OrderedReady";
  const strategy = (spec.updateStrategy ??= {});
  if (!strategy.type) strategy.type = "RollingUpdate";
  if (strategy.type === "RollingUpdate") {
    strategy.rollingUpdate ??= {};
    strategy.rollingUpdate.partition ??= 0;
  }
  const retention = (spec.persistentVolumeClaimRetentionPolicy ??= {});
  if (!retention.whenDeleted) retention.whenDeleted = "Retain";
  if (!retention.whenScaled) retention.whenScaled = "Retain";
  for (const template of spec.volumeClaimTemplates ?? []) {
    template.apiVersion ??= "v1";
    template.kind ??= "PersistentVolumeClaim";
    if (template.spec) defaultClaimSpec(template.spec);
    template.status ??= {};
    template.status.phase ??= "Pending";
  }
  if (spec.template?.spec) defaultPodSpec(spec.template.spec);
}
