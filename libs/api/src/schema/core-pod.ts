/**
 * Pods: spec, placement, template. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import { type Infer, bool, int32, int64, list, map, packageOf, ref, str, templateOf } from "./notation.ts";
import {
  AppArmorProfile,
  Container,
  EphemeralContainer,
  SELinuxOptions,
  SeccompProfile,
  WindowsSecurityContextOptions,
} from "./core-container.ts";
import { PodStatus } from "./core-pod-status.ts";
import { LocalObjectReference, NodeSelector, NodeSelectorTerm, ResourceRequirements } from "./core-reference.ts";
import { Volume } from "./core-volume.ts";
import { LabelSelector, ObjectMeta } from "./meta.ts";

const core = packageOf("io.k8s.api.core.v1", "", "v1");

export const PreferredSchedulingTerm = core("PreferredSchedulingTerm", {
  weight: int32(1).required(),
  preference: ref(2, NodeSelectorTerm).required(),
});
export interface PreferredSchedulingTerm extends Infer<typeof PreferredSchedulingTerm> {}

export const NodeAffinity = core("NodeAffinity", {
  requiredDuringSchedulingIgnoredDuringExecution: ref(1, NodeSelector),
  preferredDuringSchedulingIgnoredDuringExecution: list(2, PreferredSchedulingTerm),
});
export interface NodeAffinity extends Infer<typeof NodeAffinity> {}

export const PodAffinityTerm = core("PodAffinityTerm", {
  labelSelector: ref(1, LabelSelector),
  namespaces: list(2, "string"),
  topologyKey: str(3).required(),
  namespaceSelector: ref(4, LabelSelector),
  matchLabelKeys: list(5, "string"),
  mismatchLabelKeys: list(6, "string"),
});
export interface PodAffinityTerm extends Infer<typeof PodAffinityTerm> {}

export const WeightedPodAffinityTerm = core("WeightedPodAffinityTerm", {
  weight: int32(1).required(),
  podAffinityTerm: ref(2, PodAffinityTerm).required(),
});
export interface WeightedPodAffinityTerm extends Infer<typeof WeightedPodAffinityTerm> {}

export const PodAffinity = core("PodAffinity", {
  requiredDuringSchedulingIgnoredDuringExecution: list(1, PodAffinityTerm),
  preferredDuringSchedulingIgnoredDuringExecution: list(2, WeightedPodAffinityTerm),
});
export interface PodAffinity extends Infer<typeof PodAffinity> {}

export const PodAntiAffinity = core("PodAntiAffinity", {
  requiredDuringSchedulingIgnoredDuringExecution: list(1, PodAffinityTerm),
  preferredDuringSchedulingIgnoredDuringExecution: list(2, WeightedPodAffinityTerm),
});
export interface PodAntiAffinity extends Infer<typeof PodAntiAffinity> {}

export const Affinity = core("Affinity", {
  nodeAffinity: ref(1, NodeAffinity),
  podAffinity: ref(2, PodAffinity),
  podAntiAffinity: ref(3, PodAntiAffinity),
});
export interface Affinity extends Infer<typeof Affinity> {}

export const PodDNSConfigOption = core("PodDNSConfigOption", {
  name: str(1),
  value: str(2).explicit(),
});
export interface PodDNSConfigOption extends Infer<typeof PodDNSConfigOption> {}

export const PodDNSConfig = core("PodDNSConfig", {
  nameservers: list(1, "string"),
  searches: list(2, "string"),
  options: list(3, PodDNSConfigOption),
});
export interface PodDNSConfig extends Infer<typeof PodDNSConfig> {}

export const HostAlias = core("HostAlias", {
  ip: str(1).required(),
  hostnames: list(2, "string"),
});
export interface HostAlias extends Infer<typeof HostAlias> {}

export const PodOS = core("PodOS", {
  name: str(1).oneOf("linux", "windows").required(),
});
export interface PodOS extends Infer<typeof PodOS> {}

export const PodReadinessGate = core("PodReadinessGate", {
  conditionType: str(1).required(),
});
export interface PodReadinessGate extends Infer<typeof PodReadinessGate> {}

export const PodResourceClaim = core("PodResourceClaim", {
  name: str(1).required(),
  resourceClaimName: str(3),
  resourceClaimTemplateName: str(4),
});
export interface PodResourceClaim extends Infer<typeof PodResourceClaim> {}

export const PodSchedulingGate = core("PodSchedulingGate", {
  name: str(1).required(),
});
export interface PodSchedulingGate extends Infer<typeof PodSchedulingGate> {}

export const PodSchedulingGroup = core("PodSchedulingGroup", {
  podGroupName: str(1),
});
export interface PodSchedulingGroup extends Infer<typeof PodSchedulingGroup> {}

export const Sysctl = core("Sysctl", {
  name: str(1).required(),
  value: str(2).explicit().required(),
});
export interface Sysctl extends Infer<typeof Sysctl> {}

export const PodSecurityContext = core("PodSecurityContext", {
  seLinuxOptions: ref(1, SELinuxOptions),
  runAsUser: int64(2).explicit(),
  runAsNonRoot: bool(3).explicit(),
  supplementalGroups: list(4, "int64"),
  fsGroup: int64(5).explicit(),
  runAsGroup: int64(6).explicit(),
  sysctls: list(7, Sysctl),
  windowsOptions: ref(8, WindowsSecurityContextOptions),
  fsGroupChangePolicy: str(9).oneOf("OnRootMismatch", "Always"),
  seccompProfile: ref(10, SeccompProfile),
  appArmorProfile: ref(11, AppArmorProfile),
  supplementalGroupsPolicy: str(12),
  seLinuxChangePolicy: str(13),
});
export interface PodSecurityContext extends Infer<typeof PodSecurityContext> {}

export const Toleration = core("Toleration", {
  key: str(1),
  operator: str(2).oneOf("Exists", "Equal", "Lt", "Gt"),
  value: str(3),
  effect: str(4).oneOf("NoSchedule", "PreferNoSchedule", "NoExecute"),
  tolerationSeconds: int64(5).explicit(),
});
export interface Toleration extends Infer<typeof Toleration> {}

export const TopologySpreadConstraint = core("TopologySpreadConstraint", {
  maxSkew: int32(1).required(),
  topologyKey: str(2).required(),
  whenUnsatisfiable: str(3).oneOf("DoNotSchedule", "ScheduleAnyway").required(),
  labelSelector: ref(4, LabelSelector),
  minDomains: int32(5).explicit(),
  nodeAffinityPolicy: str(6).oneOf("Honor", "Ignore"),
  nodeTaintsPolicy: str(7).oneOf("Honor", "Ignore"),
  matchLabelKeys: list(8, "string"),
});
export interface TopologySpreadConstraint extends Infer<typeof TopologySpreadConstraint> {}

export const PodSpec = core("PodSpec", {
  volumes: list(1, Volume).by("name").retainKeys(),
  containers: list(2, Container).by("name").required(),
  restartPolicy: str(3).oneOf("Always", "OnFailure", "Never"),
  terminationGracePeriodSeconds: int64(4).explicit(),
  activeDeadlineSeconds: int64(5).explicit(),
  dnsPolicy: str(6).oneOf("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"),
  nodeSelector: map(7, "string").atomic(),
  serviceAccountName: str(8),
  serviceAccount: str(9),
  nodeName: str(10),
  hostNetwork: bool(11),
  hostPID: bool(12),
  hostIPC: bool(13),
  securityContext: ref(14, PodSecurityContext),
  imagePullSecrets: list(15, LocalObjectReference).by("name"),
  hostname: str(16),
  subdomain: str(17),
  affinity: ref(18, Affinity),
  schedulerName: str(19),
  initContainers: list(20, Container).by("name"),
  automountServiceAccountToken: bool(21).explicit(),
  tolerations: list(22, Toleration),
  hostAliases: list(23, HostAlias).by("ip"),
  priorityClassName: str(24),
  priority: int32(25).explicit(),
  dnsConfig: ref(26, PodDNSConfig),
  shareProcessNamespace: bool(27).explicit(),
  readinessGates: list(28, PodReadinessGate),
  runtimeClassName: str(29),
  enableServiceLinks: bool(30).explicit(),
  preemptionPolicy: str(31).oneOf("PreemptLowerPriority", "Never"),
  overhead: map(32, "quantity"),
  topologySpreadConstraints: list(33, TopologySpreadConstraint).by("topologyKey", "whenUnsatisfiable"),
  ephemeralContainers: list(34, EphemeralContainer).by("name"),
  setHostnameAsFQDN: bool(35).explicit(),
  os: ref(36, PodOS),
  hostUsers: bool(37).explicit(),
  schedulingGates: list(38, PodSchedulingGate).by("name"),
  resourceClaims: list(39, PodResourceClaim).by("name").retainKeys(),
  resources: ref(40, ResourceRequirements),
  hostnameOverride: str(41),
  schedulingGroup: ref(43, PodSchedulingGroup),
});
export interface PodSpec extends Infer<typeof PodSpec> {}

export const Pod = core.kind("Pod", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, PodSpec).always(),
  status: ref(3, PodStatus),
});
export interface Pod extends Infer<typeof Pod> {}

export const PodTemplateSpec = core("PodTemplateSpec", {
  metadata: templateOf(1, ObjectMeta),
  spec: ref(2, PodSpec).always(),
});
export interface PodTemplateSpec extends Infer<typeof PodTemplateSpec> {}
