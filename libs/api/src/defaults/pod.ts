import type { Container, EphemeralContainer, LifecycleHandler, Probe, PodSpec, Pod, Volume } from "../kinds.ts";

/** Kubernetes' SetDefaults_Pod: what a Pod has and a template does not yet. */
export function defaultPod(pod: Pod): void {
  defaultPodSpec(pod.spec);
  const { spec } = pod;
  spec.enableServiceLinks ??= true;
  // In Kubernetes the ServiceAccount admission plugin does this one.
  if (!spec.serviceAccountName) spec.serviceAccountName = "default";
  spec.serviceAccount = spec.serviceAccountName;
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) requestsFromLimits(container);
}

/** Kubernetes' SetDefaults_PodSpec, for Pods and templates. */
export function defaultPodSpec(spec: PodSpec): void {
  spec.containers ??= [];
  if (!spec.dnsPolicy) spec.dnsPolicy = "ClusterFirst";
  if (!spec.restartPolicy) spec.restartPolicy = "Always";
  if (!spec.schedulerName) spec.schedulerName = "default-scheduler";
  spec.terminationGracePeriodSeconds ??= 30;
  // kubectl debug dereferences it without a look.
  spec.securityContext ??= {};
  if (!spec.serviceAccountName && spec.serviceAccount) spec.serviceAccountName = spec.serviceAccount;
  else if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName;
  for (const container of spec.containers) defaultContainer(container, spec.hostNetwork === true);
  for (const container of spec.initContainers ?? []) defaultContainer(container, spec.hostNetwork === true);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container, false);
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
}

function defaultContainer(container: Container | EphemeralContainer, hostNetwork: boolean): void {
  if (!container.imagePullPolicy) container.imagePullPolicy = pullPolicyOf(container.image ?? "");
  if (!container.terminationMessagePath) container.terminationMessagePath = "/dev/termination-log";
  if (!container.terminationMessagePolicy) container.terminationMessagePolicy = "File";
  container.resources ??= {};
  for (const port of container.ports ?? []) {
    if (!port.protocol) port.protocol = "TCP";
    if (hostNetwork && !port.hostPort) port.hostPort = port.containerPort;
  }
  for (const env of container.env ?? []) {
    if (env.valueFrom?.fieldRef) env.valueFrom.fieldRef.apiVersion ||= "v1";
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    if (probe) defaultProbe(probe);
  }
  for (const handler of [container.lifecycle?.postStart, container.lifecycle?.preStop]) {
    if (handler) defaultHttpGet(handler);
  }
}

function pullPolicyOf(image: string): string {
  // A tag follows the last slash; a digest pins the image whatever the tag says.
  if (image.includes("@")) return "IfNotPresent";
  const name = image.slice(image.lastIndexOf("/") + 1);
  const colon = name.indexOf(":");
  return colon === -1 || name.slice(colon + 1) === "latest" ? "Always" : "IfNotPresent";
}

function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  defaultHttpGet(probe);
  if (probe.grpc) probe.grpc.service ??= "";
}

function defaultHttpGet(handler: LifecycleHandler | Probe): void {
  if (!handler.httpGet) return;
  handler.httpGet.path ||= "/";
  handler.httpGet.scheme ||= "HTTP";
}

function requestsFromLimits(container: Container): void {
  const limits = container.resources?.limits;
  if (!container.resources || !limits) return;
  for (const [name, limit] of Object.entries(limits)) {
    const requests = (container.resources.requests ??= {});
    if (!Object.hasOwn(requests, name)) requests[name] = limit;
  }
}

/** -rw-r--r--, in the decimal that JSON has. */
const FILE_MODE = 0o644;

function defaultVolume(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === "name")) volume.emptyDir = {};
  if (volume.secret) volume.secret.defaultMode ??= FILE_MODE;
  if (volume.configMap) volume.configMap.defaultMode ??= FILE_MODE;
  if (volume.hostPath) volume.hostPath.type ??= "";
  if (volume.downwardAPI) volume.downwardAPI.defaultMode ??= FILE_MODE;
  const downwardItems = [...(volume.downwardAPI?.items ?? [])];
  if (volume.projected) {
    volume.projected.defaultMode ??= FILE_MODE;
    for (const source of volume.projected.sources ?? []) {
      if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= 3600;
      downwardItems.push(...(source.downwardAPI?.items ?? []));
    }
  }
  for (const item of downwardItems) {
    if (item.fieldRef) item.fieldRef.apiVersion ||= "v1";
  }
  const claim = volume.ephemeral?.volumeClaimTemplate;
  if (claim) claim.spec.volumeMode ??= "Filesystem";
}
