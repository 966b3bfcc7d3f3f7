/**
 * What a Pod's node reports of it. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import { type Infer, bool, int32, int64, list, map, packageOf, ref, str, time } from "./notation.ts";
import { ResourceRequirements } from "./core-reference.ts";

const core = packageOf("io.k8s.api.core.v1", "", "v1");

export const PodCondition = core("PodCondition", {
  type: str(1).required(),
  status: str(2).required(),
  lastProbeTime: time(3),
  lastTransitionTime: time(4),
  reason: str(5),
  message: str(6),
  observedGeneration: int64(7),
});
export interface PodCondition extends Infer<typeof PodCondition> {}

export const ResourceHealth = core("ResourceHealth", {
  resourceID: str(1).required(),
  health: str(2),
  message: str(6),
});
export interface ResourceHealth extends Infer<typeof ResourceHealth> {}

export const ResourceStatus = core("ResourceStatus", {
  name: str(1).required(),
  resources: list(2, ResourceHealth).keyed("resourceID"),
});
export interface ResourceStatus extends Infer<typeof ResourceStatus> {}

export const ContainerStateRunning = core("ContainerStateRunning", {
  startedAt: time(1),
});
export interface ContainerStateRunning extends Infer<typeof ContainerStateRunning> {}

export const ContainerStateTerminated = core("ContainerStateTerminated", {
  exitCode: int32(1).required(),
  signal: int32(2),
  reason: str(3),
  message: str(4),
  startedAt: time(5),
  finishedAt: time(6),
  containerID: str(7),
});
export interface ContainerStateTerminated extends Infer<typeof ContainerStateTerminated> {}

export const ContainerStateWaiting = core("ContainerStateWaiting", {
  reason: str(1),
  message: str(2),
});
export interface ContainerStateWaiting extends Infer<typeof ContainerStateWaiting> {}

export const ContainerState = core("ContainerState", {
  waiting: ref(1, ContainerStateWaiting),
  running: ref(2, ContainerStateRunning),
  terminated: ref(3, ContainerStateTerminated),
});
export interface ContainerState extends Infer<typeof ContainerState> {}

export const LinuxContainerUser = core("LinuxContainerUser", {
  uid: int64(1).required(),
  gid: int64(2).required(),
  supplementalGroups: list(3, "int64"),
});
export interface LinuxContainerUser extends Infer<typeof LinuxContainerUser> {}

export const ContainerUser = core("ContainerUser", {
  linux: ref(1, LinuxContainerUser),
});
export interface ContainerUser extends Infer<typeof ContainerUser> {}

export const ImageVolumeStatus = core("ImageVolumeStatus", {
  imageRef: str(1).required(),
});
export interface ImageVolumeStatus extends Infer<typeof ImageVolumeStatus> {}

export const VolumeStatus = core("VolumeStatus", {
  image: ref(1, ImageVolumeStatus),
});
export interface VolumeStatus extends Infer<typeof VolumeStatus> {}

export const VolumeMountStatus = core("VolumeMountStatus", {
  name: str(1).required(),
  mountPath: str(2).required(),
  readOnly: bool(3),
  recursiveReadOnly: str(4),
  volumeStatus: ref(5, VolumeStatus),
});
export interface VolumeMountStatus extends Infer<typeof VolumeMountStatus> {}

export const ContainerStatus = core("ContainerStatus", {
  name: str(1).required(),
  state: ref(2, ContainerState),
  lastState: ref(3, ContainerState),
  ready: bool(4).required(),
  restartCount: int32(5).required(),
  image: str(6).required(),
  imageID: str(7).required(),
  containerID: str(8),
  started: bool(9).explicit(),
  allocatedResources: map(10, "quantity"),
  resources: ref(11, ResourceRequirements),
  volumeMounts: list(12, VolumeMountStatus).by("mountPath"),
  user: ref(13, ContainerUser),
  allocatedResourcesStatus: list(14, ResourceStatus).by("name"),
  stopSignal: str(15),
});
export interface ContainerStatus extends Infer<typeof ContainerStatus> {}

export const ContainerExtendedResourceRequest = core("ContainerExtendedResourceRequest", {
  containerName: str(1).required(),
  resourceName: str(2).required(),
  requestName: str(3).required(),
});
export interface ContainerExtendedResourceRequest extends Infer<typeof ContainerExtendedResourceRequest> {}

export const PodExtendedResourceClaimStatus = core("PodExtendedResourceClaimStatus", {
  requestMappings: list(1, ContainerExtendedResourceRequest).required(),
  resourceClaimName: str(2).required(),
});
export interface PodExtendedResourceClaimStatus extends Infer<typeof PodExtendedResourceClaimStatus> {}

export const HostIP = core("HostIP", {
  ip: str(1).required(),
});
export interface HostIP extends Infer<typeof HostIP> {}

export const NodeAllocatableResourceClaimStatus = core("NodeAllocatableResourceClaimStatus", {
  resources: map(0, "quantity").required(),
  resourceClaimName: str(1).required(),
  containers: list(2, "string").set(),
});
export interface NodeAllocatableResourceClaimStatus extends Infer<typeof NodeAllocatableResourceClaimStatus> {}

export const PodIP = core("PodIP", {
  ip: str(1).required(),
});
export interface PodIP extends Infer<typeof PodIP> {}

export const PodResourceClaimStatus = core("PodResourceClaimStatus", {
  name: str(1).required(),
  resourceClaimName: str(2),
});
export interface PodResourceClaimStatus extends Infer<typeof PodResourceClaimStatus> {}

export const PodStatus = core("PodStatus", {
  phase: str(1),
  conditions: list(2, PodCondition).by("type"),
  message: str(3),
  reason: str(4),
  hostIP: str(5),
  podIP: str(6),
  startTime: time(7),
  containerStatuses: list(8, ContainerStatus),
  qosClass: str(9),
  initContainerStatuses: list(10, ContainerStatus),
  nominatedNodeName: str(11),
  podIPs: list(12, PodIP).by("ip"),
  ephemeralContainerStatuses: list(13, ContainerStatus),
  resize: str(14),
  resourceClaimStatuses: list(15, PodResourceClaimStatus).by("name").retainKeys(),
  hostIPs: list(16, HostIP).mergeBy("ip"),
  observedGeneration: int64(17),
  extendedResourceClaimStatus: ref(18, PodExtendedResourceClaimStatus),
  allocatedResources: map(19, "quantity"),
  resources: ref(20, ResourceRequirements),
  nodeAllocatableResourceClaimStatuses: list(21, NodeAllocatableResourceClaimStatus),
});
export interface PodStatus extends Infer<typeof PodStatus> {}
