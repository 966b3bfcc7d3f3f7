/**
 * The container runtime: CRI v1 over a unix socket, and containerd's events on the same socket.
 *
 * Callers' duties: treat events as hints and `listPodSandbox` + `listContainers` as the truth; relist on every gap;
 * cap what runs in parallel (about eight sandboxes at once is the fastest on two cores); pass images by name. All
 * methods reject with a TriremeError whose message is the runtime's own sentence. `close` ends the connection only.
 */
export { type CallObserver, fromServiceError } from "./call.ts";
export { type Cri, type Partially, createCri } from "./client.ts";
export { type RuntimeEvent, decodeEvent, watchRuntimeEvents } from "./events.ts";
export {
  type Container,
  type ContainerConfig,
  type ContainerStats,
  type ContainerStatus,
  type Image,
  type KeyValue,
  type Mount,
  type PodSandbox,
  type PodSandboxConfig,
  type PodSandboxStatus,
  type SecurityProfile,
  ContainerState,
  MountPropagation,
  NamespaceMode,
  PodSandboxState,
  Protocol,
  SecurityProfile_ProfileType,
} from "@trireme/proto/runtime/v1/api";
