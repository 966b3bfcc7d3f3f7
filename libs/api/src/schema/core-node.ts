/**
 * Nodes and what they report. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import { type Infer, bool, int32, int64, list, map, packageOf, ref, str, time } from "./notation.ts";
import { ObjectMeta } from "./meta.ts";

const core = packageOf("io.k8s.api.core.v1", "", "v1");

export const ConfigMapNodeConfigSource = core("ConfigMapNodeConfigSource", {
  namespace: str(1).required(),
  name: str(2).required(),
  uid: str(3),
  resourceVersion: str(4),
  kubeletConfigKey: str(5).required(),
});
export interface ConfigMapNodeConfigSource extends Infer<typeof ConfigMapNodeConfigSource> {}

export const NodeConfigSource = core("NodeConfigSource", {
  configMap: ref(2, ConfigMapNodeConfigSource),
});
export interface NodeConfigSource extends Infer<typeof NodeConfigSource> {}

export const Taint = core("Taint", {
  key: str(1).required(),
  value: str(2),
  effect: str(3).oneOf("NoSchedule", "PreferNoSchedule", "NoExecute").required(),
  timeAdded: time(4),
});
export interface Taint extends Infer<typeof Taint> {}

export const NodeSpec = core("NodeSpec", {
  podCIDR: str(1),
  externalID: str(2),
  providerID: str(3),
  unschedulable: bool(4),
  taints: list(5, Taint),
  configSource: ref(6, NodeConfigSource),
  podCIDRs: list(7, "string").set().mergeBy(""),
});
export interface NodeSpec extends Infer<typeof NodeSpec> {}

export const NodeAddress = core("NodeAddress", {
  type: str(1).required(),
  address: str(2).required(),
});
export interface NodeAddress extends Infer<typeof NodeAddress> {}

export const NodeCondition = core("NodeCondition", {
  type: str(1).required(),
  status: str(2).required(),
  lastHeartbeatTime: time(3),
  lastTransitionTime: time(4),
  reason: str(5),
  message: str(6),
});
export interface NodeCondition extends Infer<typeof NodeCondition> {}

export const NodeConfigStatus = core("NodeConfigStatus", {
  assigned: ref(1, NodeConfigSource),
  active: ref(2, NodeConfigSource),
  lastKnownGood: ref(3, NodeConfigSource),
  error: str(4),
});
export interface NodeConfigStatus extends Infer<typeof NodeConfigStatus> {}

export const DaemonEndpoint = core("DaemonEndpoint", {
  Port: int32(1).required(),
});
export interface DaemonEndpoint extends Infer<typeof DaemonEndpoint> {}

export const NodeDaemonEndpoints = core("NodeDaemonEndpoints", {
  kubeletEndpoint: ref(1, DaemonEndpoint),
});
export interface NodeDaemonEndpoints extends Infer<typeof NodeDaemonEndpoints> {}

export const NodeFeatures = core("NodeFeatures", {
  supplementalGroupsPolicy: bool(1),
});
export interface NodeFeatures extends Infer<typeof NodeFeatures> {}

export const ContainerImage = core("ContainerImage", {
  names: list(1, "string"),
  sizeBytes: int64(2),
});
export interface ContainerImage extends Infer<typeof ContainerImage> {}

export const NodeSwapStatus = core("NodeSwapStatus", {
  capacity: int64(1),
});
export interface NodeSwapStatus extends Infer<typeof NodeSwapStatus> {}

export const NodeSystemInfo = core("NodeSystemInfo", {
  machineID: str(1).required(),
  systemUUID: str(2).required(),
  bootID: str(3).required(),
  kernelVersion: str(4).required(),
  osImage: str(5).required(),
  containerRuntimeVersion: str(6).required(),
  kubeletVersion: str(7).required(),
  kubeProxyVersion: str(8).required(),
  operatingSystem: str(9).required(),
  architecture: str(10).required(),
  swap: ref(11, NodeSwapStatus),
});
export interface NodeSystemInfo extends Infer<typeof NodeSystemInfo> {}

export const NodeRuntimeHandlerFeatures = core("NodeRuntimeHandlerFeatures", {
  recursiveReadOnlyMounts: bool(1),
  userNamespaces: bool(2),
});
export interface NodeRuntimeHandlerFeatures extends Infer<typeof NodeRuntimeHandlerFeatures> {}

export const NodeRuntimeHandler = core("NodeRuntimeHandler", {
  name: str(1),
  features: ref(2, NodeRuntimeHandlerFeatures),
});
export interface NodeRuntimeHandler extends Infer<typeof NodeRuntimeHandler> {}

export const AttachedVolume = core("AttachedVolume", {
  name: str(1).required(),
  devicePath: str(2).required(),
});
export interface AttachedVolume extends Infer<typeof AttachedVolume> {}

export const NodeStatus = core("NodeStatus", {
  capacity: map(1, "quantity"),
  allocatable: map(2, "quantity"),
  phase: str(3),
  conditions: list(4, NodeCondition).by("type"),
  addresses: list(5, NodeAddress).by("type"),
  daemonEndpoints: ref(6, NodeDaemonEndpoints),
  nodeInfo: ref(7, NodeSystemInfo),
  images: list(8, ContainerImage),
  volumesInUse: list(9, "string"),
  volumesAttached: list(10, AttachedVolume),
  config: ref(11, NodeConfigStatus),
  runtimeHandlers: list(12, NodeRuntimeHandler),
  features: ref(13, NodeFeatures),
  declaredFeatures: list(14, "string"),
});
export interface NodeStatus extends Infer<typeof NodeStatus> {}

export const Node = core.kind("Node", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, NodeSpec),
  status: ref(3, NodeStatus),
});
export interface Node extends Infer<typeof Node> {}
