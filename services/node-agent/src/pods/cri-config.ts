import type { Container, Pod, SeccompProfile, VolumeMount } from "@trireme/api";
import { TriremeError } from "@trireme/base";
import type { ContainerConfig, Mount, Partially, PodSandboxConfig, SecurityProfile } from "@trireme/cri";
import { MountPropagation, NamespaceMode, Protocol, SecurityProfile_ProfileType } from "@trireme/cri";
import { expand } from "./expand.ts";
import { CONTAINER_NAME, CRASH_STEP, POD_NAME, POD_NAMESPACE, POD_UID, RESTART_COUNT } from "./labels.ts";
import { TERMINATION_POLICY } from "./labels.ts";
import { limitsOf } from "./limits.ts";
import type { ImageUser } from "./run-as.ts";

/** What the node adds to every pod. */
export interface PodSurroundings {
  readonly cgroupParent: string;
  readonly logDirectory: string;
  readonly clusterDomain: string;
  readonly dns: {
    readonly servers: readonly string[];
    readonly searches: readonly string[];
    readonly options: string[];
  };
}

const PROTOCOLS: Readonly<Record<string, Protocol>> = { TCP: Protocol.TCP, UDP: Protocol.UDP, SCTP: Protocol.SCTP };

/** Where the logs of a pod are, below the node's log directory. */
export function logDirectoryName(namespace: string, name: string, uid: string): string {
  return `${namespace}_${name}_${uid}`;
}

/** The pod to which a directory of logs belongs: no name has an underscore, so the last part is its UID. */
export function uidOfLogDirectory(name: string): string {
  return name.slice(name.lastIndexOf("_") + 1);
}

/** The pod's host name: at most 63 characters, since it is a DNS label. */
export function hostnameOf(pod: Pod): string {
  return (pod.spec.hostname ?? pod.metadata.name).slice(0, 63).replace(/[-.]+$/, "");
}

/** The pod's full name in DNS, if its manifest gives it a subdomain. */
export function fqdnOf(pod: Pod, clusterDomain: string): string | undefined {
  const { subdomain } = pod.spec;
  if (subdomain === undefined || subdomain === "") return undefined;
  return `${hostnameOf(pod)}.${subdomain}.${pod.metadata.namespace ?? "default"}.svc.${clusterDomain}`;
}

/** The kernel's longest host name. */
const MAX_HOSTNAME = 64;

/** The host name that the pod's containers see: with `setHostnameAsFQDN` the full one, if there is one. */
function kernelHostname(pod: Pod, clusterDomain: string): string {
  // The runtime refuses a host name for a pod that shares the node's UTS namespace.
  if (pod.spec.hostNetwork) return "";
  const full = pod.spec.setHostnameAsFQDN ? fqdnOf(pod, clusterDomain) : undefined;
  if (full === undefined) return hostnameOf(pod);
  if (full.length <= MAX_HOSTNAME) return full;
  throw new TriremeError(
    "Invalid",
    `Failed to construct FQDN from Pod hostname and cluster domain, FQDN ${full} is too long (${MAX_HOSTNAME} characters is the max, ${full.length} characters requested)`,
  );
}

function podLabels(pod: Pod): Record<string, string> {
  return {
    ...pod.metadata.labels,
    [POD_NAME]: pod.metadata.name,
    [POD_NAMESPACE]: pod.metadata.namespace ?? "default",
    [POD_UID]: pod.metadata.uid ?? "",
  };
}

function namespaces(pod: Pod): { network: NamespaceMode; pid: NamespaceMode; ipc: NamespaceMode } {
  const pid = pod.spec.hostPID
    ? NamespaceMode.NODE
    : pod.spec.shareProcessNamespace
      ? NamespaceMode.POD
      : NamespaceMode.CONTAINER;
  return {
    network: pod.spec.hostNetwork ? NamespaceMode.NODE : NamespaceMode.POD,
    pid,
    ipc: pod.spec.hostIPC ? NamespaceMode.NODE : NamespaceMode.POD,
  };
}

/** A container that looks at another one shares its processes, unless the whole pod does. */
function ownNamespaces(pod: Pod, targetId: string | undefined): ReturnType<typeof namespaces> & { targetId?: string } {
  const shared = namespaces(pod);
  if (targetId === undefined || shared.pid !== NamespaceMode.CONTAINER) return shared;
  return { ...shared, pid: NamespaceMode.TARGET, targetId };
}

/** The sandbox of a pod. Pure. */
export function sandboxConfig(pod: Pod, attempt: number, around: PodSurroundings): Partially<PodSandboxConfig> {
  const security = pod.spec.securityContext;
  const portMappings = pod.spec.hostNetwork
    ? []
    : pod.spec.containers
        .flatMap((container) => container.ports ?? [])
        .filter((port) => port.hostPort !== undefined && port.hostPort > 0)
        .map((port) => ({
          protocol: PROTOCOLS[port.protocol ?? "TCP"] ?? Protocol.TCP,
          containerPort: port.containerPort,
          hostPort: port.hostPort,
          hostIp: port.hostIP ?? "",
        }));
  const privileged = pod.spec.containers.some((container) => container.securityContext?.privileged ?? false);
  return {
    metadata: {
      name: pod.metadata.name,
      uid: pod.metadata.uid ?? "",
      namespace: pod.metadata.namespace ?? "default",
      attempt,
    },
    hostname: kernelHostname(pod, around.clusterDomain),
    logDirectory: around.logDirectory,
    dnsConfig: { servers: around.dns.servers, searches: around.dns.searches, options: around.dns.options },
    portMappings,
    labels: podLabels(pod),
    annotations: {},
    linux: {
      cgroupParent: around.cgroupParent,
      sysctls: Object.fromEntries((security?.sysctls ?? []).map((s) => [s.name, s.value])),
      securityContext: {
        namespaceOptions: namespaces(pod),
        privileged,
        ...(security?.runAsUser === undefined ? {} : { runAsUser: { value: BigInt(security.runAsUser) } }),
        ...(security?.runAsGroup === undefined ? {} : { runAsGroup: { value: BigInt(security.runAsGroup) } }),
        supplementalGroups: supplementalGroups(pod),
      },
    },
  };
}

function supplementalGroups(pod: Pod): bigint[] {
  const { supplementalGroups: groups = [], fsGroup } = pod.spec.securityContext ?? {};
  return [...groups, ...(fsGroup === undefined ? [] : [fsGroup])].map(BigInt);
}

/** What one instance of a container is made from. */
export interface ContainerParts {
  readonly attempt: number;
  readonly crashStep: number;
  readonly imageRef: string;
  /** Whom the image runs as: a name, or else a number. */
  readonly imageUser?: ImageUser;
  /** The container whose processes this one shares. */
  readonly targetId?: string;
  readonly env: ReadonlyMap<string, string>;
  readonly mounts: readonly Partially<Mount>[];
  /** Log file, below the sandbox's log directory. */
  readonly logPath: string;
}

/** A container of a pod. Pure. */
export function containerConfig(pod: Pod, container: Container, parts: ContainerParts): Partially<ContainerConfig> {
  const own = container.securityContext;
  const shared = pod.spec.securityContext;
  const user = own?.runAsUser ?? shared?.runAsUser;
  const group = own?.runAsGroup ?? shared?.runAsGroup;
  // The runtime takes a group only together with a user: then the image's own is named.
  const imageUser = user === undefined && group !== undefined ? parts.imageUser : undefined;
  const privileged = own?.privileged ?? false;
  const bare = privileged || own?.procMount === "Unmasked";
  const limits = limitsOf(container);
  const seccomp = seccompOf(own?.seccompProfile ?? shared?.seccompProfile);
  return {
    metadata: { name: container.name, attempt: parts.attempt },
    image: { image: parts.imageRef, annotations: {} },
    command: (container.command ?? []).map((word) => expand(word, parts.env)),
    args: (container.args ?? []).map((word) => expand(word, parts.env)),
    workingDir: container.workingDir ?? "",
    envs: [...parts.env].map(([key, value]) => ({ key, value })),
    mounts: parts.mounts,
    labels: { ...podLabels(pod), [CONTAINER_NAME]: container.name },
    annotations: {
      [RESTART_COUNT]: String(parts.attempt),
      [CRASH_STEP]: String(parts.crashStep),
      [TERMINATION_POLICY]: container.terminationMessagePolicy ?? "File",
    },
    logPath: parts.logPath,
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: {
      resources: limits,
      securityContext: {
        capabilities: {
          addCapabilities: (own?.capabilities?.add ?? []).map(capability),
          dropCapabilities: (own?.capabilities?.drop ?? []).map(capability),
        },
        privileged,
        namespaceOptions: ownNamespaces(pod, parts.targetId),
        ...(user === undefined ? imageUserOf(imageUser) : { runAsUser: { value: BigInt(user) } }),
        ...(group === undefined ? {} : { runAsGroup: { value: BigInt(group) } }),
        readonlyRootfs: own?.readOnlyRootFilesystem ?? false,
        supplementalGroups: supplementalGroups(pod),
        ...(seccomp === undefined ? {} : { seccomp }),
        noNewPrivs: own?.allowPrivilegeEscalation === false,
        maskedPaths: bare ? [] : MASKED,
        readonlyPaths: bare ? [] : READONLY,
      },
    },
  };
}

function imageUserOf(user: ContainerParts["imageUser"]) {
  if (user === undefined) return {};
  return user.name === "" ? { runAsUser: { value: user.id ?? 0n } } : { runAsUsername: user.name };
}

function seccompOf(profile: SeccompProfile | undefined): Partially<SecurityProfile> | undefined {
  switch (profile?.type) {
    case "RuntimeDefault":
      return { profileType: SecurityProfile_ProfileType.RuntimeDefault, localhostRef: "" };
    case "Localhost":
      return { profileType: SecurityProfile_ProfileType.Localhost, localhostRef: profile.localhostProfile ?? "" };
    default:
      return undefined;
  }
}

/** The runtime wants `NET_ADMIN`, manifests may say `CAP_NET_ADMIN`. */
const capability = (name: string): string => name.replace(/^CAP_/, "");

/** Files of /proc and /sys that tell or change what belongs to the node, as every runtime hides them by default. */
const MASKED = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/firmware",
];
const READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const PROPAGATION: Readonly<Record<string, MountPropagation>> = {
  None: MountPropagation.PROPAGATION_PRIVATE,
  HostToContainer: MountPropagation.PROPAGATION_HOST_TO_CONTAINER,
  Bidirectional: MountPropagation.PROPAGATION_BIDIRECTIONAL,
};

/** The part of its volume that a mount names, "" for all of it. */
export function subPathOf(mount: VolumeMount, env: ReadonlyMap<string, string>): string {
  const sub = mount.subPathExpr === undefined ? (mount.subPath ?? "") : expand(mount.subPathExpr, env);
  if (sub.startsWith("/") || sub.split("/").includes("..")) {
    throw new TriremeError("Invalid", `subPath "${sub}" of volume "${mount.name}" leaves its volume`);
  }
  return sub;
}

/**
 * The mounts of a container: its volumes at their host paths, and the pod's own files. `subPaths` are the host paths of
 * those that name a part of their volume, by their index.
 */
export function mountsOf(
  container: Container,
  volumes: ReadonlyMap<string, { readonly path: string; readonly readOnly: boolean }>,
  subPaths: ReadonlyMap<number, string>,
  files: Readonly<Record<string, string>>,
): Partially<Mount>[] {
  const out: Partially<Mount>[] = [];
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const volume = volumes.get(mount.name);
    if (volume === undefined) continue;
    out.push({
      containerPath: mount.mountPath,
      hostPath: subPaths.get(index) ?? volume.path,
      readonly: volume.readOnly || (mount.readOnly ?? false),
      propagation: PROPAGATION[mount.mountPropagation ?? "None"] ?? MountPropagation.PROPAGATION_PRIVATE,
    });
  }
  const mounted = new Set(out.map((mount) => mount.containerPath));
  for (const [containerPath, hostPath] of Object.entries(files)) {
    if (!mounted.has(containerPath)) out.push({ containerPath, hostPath, readonly: false });
  }
  return out;
}
