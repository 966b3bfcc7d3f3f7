import { credentials } from "@grpc/grpc-js";
import type { CallOptions, ClientUnaryCall, Metadata, ServiceError } from "@grpc/grpc-js";
import { Metadata as GrpcMetadata } from "@grpc/grpc-js";
import {
  AttachRequest,
  ContainerFilter,
  CreateContainerRequest,
  ExecRequest,
  ImageServiceClient,
  PodSandboxConfig,
  PodSandboxFilter,
  RuntimeServiceClient,
} from "@trireme/proto/runtime/v1/api";
import type {
  AuthConfig,
  Container,
  ContainerConfig,
  ContainerStats,
  ContainerStatus,
  ExecSyncResponse,
  FilesystemUsage,
  Image,
  PodSandbox,
  PodSandboxStatus,
  RuntimeStatus,
  VersionResponse,
} from "@trireme/proto/runtime/v1/api";
import { fromServiceError } from "./call.ts";
import type { CallObserver } from "./call.ts";

/** What callers may leave out of a message: the encoder fills the rest with proto3 defaults. */
export type Partially<T> = T extends Uint8Array | Date | bigint
  ? T
  : T extends readonly (infer U)[]
    ? readonly Partially<U>[]
    : T extends object
      ? { [K in keyof T]?: Partially<T[K]> | undefined }
      : T;

/** The container runtime, one method per CRI call. Every method rejects with a TriremeError. */
export interface Cri {
  version(): Promise<VersionResponse>;
  status(): Promise<RuntimeStatus>;
  runPodSandbox(config: Partially<PodSandboxConfig>): Promise<string>;
  /** Idempotent, like the four below: stopping or removing what is gone succeeds. */
  stopPodSandbox(id: string): Promise<void>;
  removePodSandbox(id: string): Promise<void>;
  podSandboxStatus(id: string): Promise<PodSandboxStatus>;
  listPodSandbox(filter?: Partially<PodSandboxFilter>): Promise<PodSandbox[]>;
  createContainer(
    sandboxId: string,
    config: Partially<ContainerConfig>,
    sandbox: Partially<PodSandboxConfig>,
  ): Promise<string>;
  startContainer(id: string): Promise<void>;
  stopContainer(id: string, graceSeconds: number): Promise<void>;
  removeContainer(id: string): Promise<void>;
  listContainers(filter?: Partially<ContainerFilter>): Promise<Container[]>;
  containerStatus(id: string): Promise<ContainerStatus>;
  execSync(id: string, command: readonly string[], timeoutSeconds: number): Promise<ExecSyncResponse>;
  /** These three answer the URL of the runtime's own streaming server. */
  exec(request: Partially<ExecRequest>): Promise<string>;
  attach(request: Partially<AttachRequest>): Promise<string>;
  portForward(sandboxId: string, ports: readonly number[]): Promise<string>;
  reopenContainerLog(id: string): Promise<void>;
  containerStats(id: string): Promise<ContainerStats | undefined>;
  listContainerStats(): Promise<ContainerStats[]>;
  /** Answers the image's reference in the runtime. */
  pullImage(image: string, auth?: AuthConfig): Promise<string>;
  listImages(): Promise<Image[]>;
  /** Undefined when the runtime does not have the image. */
  imageStatus(image: string): Promise<Image | undefined>;
  removeImage(image: string): Promise<void>;
  imageFsInfo(): Promise<FilesystemUsage[]>;
  close(): void;
}

/** Longest a quick call (list, status) may take; a runtime that is slower than this is broken and is reported so. */
const QUICK_MS = 10_000;
/** Sandbox and container operations run CNI plugins and runc, on a loaded machine for seconds. */
const WORK_MS = 120_000;
/** A pull moves an image over a network. */
const PULL_MS = 900_000;
/** Lists of several hundred containers with annotations pass gRPC's default of 4 MiB. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

type Unary<Q, A> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: A) => void,
) => ClientUnaryCall;

/** Opens a client on the runtime's unix socket. It connects on the first call and again after the runtime restarts. */
export function createCri(options: { readonly socket: string; readonly observe?: CallObserver }): Cri {
  const address = `unix://${options.socket}`;
  const channel = {
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    // A restarting containerd is back within 150 ms: waiting the default second before the next try would triple that.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
  };
  const runtime = new RuntimeServiceClient(address, credentials.createInsecure(), channel);
  const images = new ImageServiceClient(address, credentials.createInsecure(), channel);

  function call<Q, A>(operation: string, timeoutMs: number, method: Unary<Q, A>, request: Q): Promise<A> {
    const started = performance.now();
    return new Promise<A>((resolve, reject) => {
      method(request, new GrpcMetadata(), { deadline: Date.now() + timeoutMs }, (error, response) => {
        options.observe?.(operation, (performance.now() - started) / 1000, error !== null);
        if (error !== null) reject(fromServiceError(error));
        else resolve(response);
      });
    });
  }
  const r = <K extends keyof RuntimeServiceClient>(name: K): RuntimeServiceClient[K] =>
    (runtime[name] as unknown as { bind(self: unknown): RuntimeServiceClient[K] }).bind(runtime);
  const i = <K extends keyof ImageServiceClient>(name: K): ImageServiceClient[K] =>
    (images[name] as unknown as { bind(self: unknown): ImageServiceClient[K] }).bind(images);
  const image = (name: string): { image: string; annotations: Record<string, string> } => ({
    image: name,
    annotations: {},
  });

  return {
    version: () => call("version", QUICK_MS, r("version"), { version: "v1" }),
    status: async () => {
      const answer = await call("status", QUICK_MS, r("status"), { verbose: false });
      return answer.status ?? { conditions: [] };
    },
    runPodSandbox: async (config) => {
      const request = { config: PodSandboxConfig.fromPartial(config as object), runtimeHandler: "" };
      return (await call("run_podsandbox", WORK_MS, r("runPodSandbox"), request)).podSandboxId;
    },
    stopPodSandbox: async (id) => {
      await call("stop_podsandbox", WORK_MS, r("stopPodSandbox"), { podSandboxId: id });
    },
    removePodSandbox: async (id) => {
      await call("remove_podsandbox", WORK_MS, r("removePodSandbox"), { podSandboxId: id });
    },
    podSandboxStatus: async (id) => {
      const request = { podSandboxId: id, verbose: false };
      const answer = await call("podsandbox_status", QUICK_MS, r("podSandboxStatus"), request);
      return answer.status!;
    },
    listPodSandbox: async (filter) => {
      const request = { filter: filter && PodSandboxFilter.fromPartial(filter as object) };
      return (await call("list_podsandbox", QUICK_MS, r("listPodSandbox"), request)).items;
    },
    createContainer: async (sandboxId, config, sandbox) => {
      const request = CreateContainerRequest.fromPartial({
        podSandboxId: sandboxId,
        config: config as object,
        sandboxConfig: sandbox as object,
      });
      return (await call("create_container", WORK_MS, r("createContainer"), request)).containerId;
    },
    startContainer: async (id) => {
      await call("start_container", WORK_MS, r("startContainer"), { containerId: id });
    },
    stopContainer: async (id, graceSeconds) => {
      const request = { containerId: id, timeout: BigInt(Math.max(0, Math.ceil(graceSeconds))) };
      await call("stop_container", WORK_MS + graceSeconds * 1000, r("stopContainer"), request);
    },
    removeContainer: async (id) => {
      await call("remove_container", WORK_MS, r("removeContainer"), { containerId: id });
    },
    listContainers: async (filter) => {
      const request = { filter: filter && ContainerFilter.fromPartial(filter as object) };
      return (await call("list_containers", QUICK_MS, r("listContainers"), request)).containers;
    },
    containerStatus: async (id) => {
      const request = { containerId: id, verbose: false };
      return (await call("container_status", QUICK_MS, r("containerStatus"), request)).status!;
    },
    execSync: (id, command, timeoutSeconds) => {
      const request = { containerId: id, cmd: [...command], timeout: BigInt(Math.ceil(timeoutSeconds)) };
      // The runtime ends the command at its own timeout; ours only covers a runtime that does not answer.
      return call("exec_sync", timeoutSeconds * 1000 + QUICK_MS, r("execSync"), request);
    },
    exec: async (request) => (await call("exec", QUICK_MS, r("exec"), ExecRequest.fromPartial(request as object))).url,
    attach: async (request) =>
      (await call("attach", QUICK_MS, r("attach"), AttachRequest.fromPartial(request as object))).url,
    portForward: async (sandboxId, ports) => {
      const request = { podSandboxId: sandboxId, port: [...ports] };
      return (await call("port_forward", QUICK_MS, r("portForward"), request)).url;
    },
    reopenContainerLog: async (id) => {
      await call("reopen_container_log", QUICK_MS, r("reopenContainerLog"), { containerId: id });
    },
    containerStats: async (id) =>
      (await call("container_stats", QUICK_MS, r("containerStats"), { containerId: id })).stats,
    listContainerStats: async () =>
      (await call("list_container_stats", QUICK_MS, r("listContainerStats"), { filter: undefined })).stats,
    pullImage: async (name, auth) => {
      const request = { image: image(name), auth, sandboxConfig: undefined };
      return (await call("pull_image", PULL_MS, i("pullImage"), request)).imageRef;
    },
    listImages: async () => (await call("list_images", QUICK_MS, i("listImages"), { filter: undefined })).images,
    imageStatus: async (name) =>
      (await call("image_status", QUICK_MS, i("imageStatus"), { image: image(name), verbose: false })).image,
    removeImage: async (name) => {
      await call("remove_image", WORK_MS, i("removeImage"), { image: image(name) });
    },
    imageFsInfo: async () => (await call("image_fs_info", QUICK_MS, i("imageFsInfo"), {})).imageFilesystems,
    close: () => {
      runtime.close();
      images.close();
    },
  };
}
