/** Jobs and CronJobs. Each name is a schema and the type of its values. */
import { type Infer, bool, int32, int64, list, packageOf, ref, str, templateOf, time } from "./notation.ts";
import { PodTemplateSpec } from "./core-pod.ts";
import { ObjectReference } from "./core-reference.ts";
import { LabelSelector, ObjectMeta } from "./meta.ts";

const batch = packageOf("io.k8s.api.batch.v1", "batch", "v1");

export const PodFailurePolicyOnExitCodesRequirement = batch("PodFailurePolicyOnExitCodesRequirement", {
  containerName: str(1),
  operator: str(2).required(),
  values: list(3, "int32").set().required(),
});
export interface PodFailurePolicyOnExitCodesRequirement extends Infer<typeof PodFailurePolicyOnExitCodesRequirement> {}

export const PodFailurePolicyOnPodConditionsPattern = batch("PodFailurePolicyOnPodConditionsPattern", {
  type: str(1).required(),
  status: str(2),
});
export interface PodFailurePolicyOnPodConditionsPattern extends Infer<typeof PodFailurePolicyOnPodConditionsPattern> {}

export const PodFailurePolicyRule = batch("PodFailurePolicyRule", {
  action: str(1).required(),
  onExitCodes: ref(2, PodFailurePolicyOnExitCodesRequirement),
  onPodConditions: list(3, PodFailurePolicyOnPodConditionsPattern),
});
export interface PodFailurePolicyRule extends Infer<typeof PodFailurePolicyRule> {}

export const PodFailurePolicy = batch("PodFailurePolicy", {
  rules: list(1, PodFailurePolicyRule).required(),
});
export interface PodFailurePolicy extends Infer<typeof PodFailurePolicy> {}

export const SuccessPolicyRule = batch("SuccessPolicyRule", {
  succeededIndexes: str(1),
  succeededCount: int32(2),
});
export interface SuccessPolicyRule extends Infer<typeof SuccessPolicyRule> {}

export const SuccessPolicy = batch("SuccessPolicy", {
  rules: list(1, SuccessPolicyRule).required(),
});
export interface SuccessPolicy extends Infer<typeof SuccessPolicy> {}

export const JobSpec = batch("JobSpec", {
  parallelism: int32(1).explicit(),
  completions: int32(2).explicit(),
  activeDeadlineSeconds: int64(3).explicit(),
  selector: ref(4, LabelSelector),
  manualSelector: bool(5).explicit(),
  template: ref(6, PodTemplateSpec).required(),
  backoffLimit: int32(7).explicit(),
  ttlSecondsAfterFinished: int32(8).explicit(),
  completionMode: str(9).oneOf("NonIndexed", "Indexed"),
  suspend: bool(10).explicit(),
  podFailurePolicy: ref(11, PodFailurePolicy),
  backoffLimitPerIndex: int32(12).explicit(),
  maxFailedIndexes: int32(13).explicit(),
  podReplacementPolicy: str(14),
  managedBy: str(15),
  successPolicy: ref(16, SuccessPolicy),
});
export interface JobSpec extends Infer<typeof JobSpec> {}

export const JobCondition = batch("JobCondition", {
  type: str(1).required(),
  status: str(2).required(),
  lastProbeTime: time(3),
  lastTransitionTime: time(4),
  reason: str(5),
  message: str(6),
});
export interface JobCondition extends Infer<typeof JobCondition> {}

export const UncountedTerminatedPods = batch("UncountedTerminatedPods", {
  succeeded: list(1, "string").set(),
  failed: list(2, "string").set(),
});
export interface UncountedTerminatedPods extends Infer<typeof UncountedTerminatedPods> {}

export const JobStatus = batch("JobStatus", {
  conditions: list(1, JobCondition).mergeBy("type"),
  startTime: time(2),
  completionTime: time(3),
  active: int32(4),
  succeeded: int32(5),
  failed: int32(6),
  completedIndexes: str(7),
  uncountedTerminatedPods: ref(8, UncountedTerminatedPods),
  ready: int32(9).explicit(),
  failedIndexes: str(10),
  terminating: int32(11).explicit(),
});
export interface JobStatus extends Infer<typeof JobStatus> {}

export const Job = batch.kind("Job", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, JobSpec).always(),
  status: ref(3, JobStatus),
});
export interface Job extends Infer<typeof Job> {}

export const JobTemplateSpec = batch("JobTemplateSpec", {
  metadata: templateOf(1, ObjectMeta),
  spec: ref(2, JobSpec).always(),
});
export interface JobTemplateSpec extends Infer<typeof JobTemplateSpec> {}

export const CronJobSpec = batch("CronJobSpec", {
  schedule: str(1).required(),
  startingDeadlineSeconds: int64(2).explicit(),
  concurrencyPolicy: str(3).oneOf("Allow", "Forbid", "Replace"),
  suspend: bool(4).explicit(),
  jobTemplate: ref(5, JobTemplateSpec).required(),
  successfulJobsHistoryLimit: int32(6).explicit(),
  failedJobsHistoryLimit: int32(7).explicit(),
  timeZone: str(8),
});
export interface CronJobSpec extends Infer<typeof CronJobSpec> {}

export const CronJobStatus = batch("CronJobStatus", {
  active: list(1, ObjectReference),
  lastScheduleTime: time(4),
  lastSuccessfulTime: time(5),
});
export interface CronJobStatus extends Infer<typeof CronJobStatus> {}

export const CronJob = batch.kind("CronJob", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, CronJobSpec).always(),
  status: ref(3, CronJobStatus),
});
export interface CronJob extends Infer<typeof CronJob> {}
