import type { Container, EnvVar, Pod, ResourceFieldSelector } from "@trireme/api";
import { parseQuantity } from "@trireme/api";
import { TriremeError } from "@trireme/base";
import { expand } from "./expand.ts";

/** The data of a ConfigMap or Secret, decoded; undefined when there is no such object. */
export type KeyValues = ReadonlyMap<string, Buffer>;

/** What an environment may refer to besides the pod itself. */
export interface EnvironmentSources {
  readonly nodeName: string;
  readonly hostIP: string;
  readonly podIP: string;
  /** Variables that tell of Services; a container's own come before them. */
  readonly services: ReadonlyMap<string, string>;
  /** Capacity used where a container has no limit of its own. */
  readonly allocatable: { readonly cpuMilli: number; readonly memoryBytes: number };
  config(kind: "ConfigMap" | "Secret", name: string): KeyValues | undefined;
}

/** The ConfigMaps and Secrets that a container's environment names. */
export function environmentNeeds(container: Container): { kind: "ConfigMap" | "Secret"; name: string }[] {
  const out: { kind: "ConfigMap" | "Secret"; name: string }[] = [];
  const add = (kind: "ConfigMap" | "Secret", name: string | undefined): void => {
    if (name !== undefined && !out.some((o) => o.kind === kind && o.name === name)) out.push({ kind, name });
  };
  for (const from of container.envFrom ?? []) {
    add("ConfigMap", from.configMapRef?.name);
    add("Secret", from.secretRef?.name);
  }
  for (const { valueFrom } of container.env ?? []) {
    add("ConfigMap", valueFrom?.configMapKeyRef?.name);
    add("Secret", valueFrom?.secretKeyRef?.name);
  }
  return out;
}

/** The environment of a container, in order. Throws an error whose message names what is missing. */
export function environmentOf(pod: Pod, container: Container, sources: EnvironmentSources): Map<string, string> {
  const env = new Map<string, string>();
  for (const from of container.envFrom ?? []) {
    const ref = from.configMapRef ?? from.secretRef;
    if (ref?.name === undefined) continue;
    const kind = from.configMapRef === undefined ? "Secret" : "ConfigMap";
    const data = sources.config(kind, ref.name);
    if (data === undefined && !ref.optional) throw missing(kind, ref.name);
    for (const [key, value] of data ?? []) {
      const name = `${from.prefix ?? ""}${key}`;
      // The kernel splits at the first "=": such a key would become another variable.
      if (name !== "" && !name.includes("=")) env.set(name, value.toString("utf8"));
    }
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(pod, container, variable, env, sources);
    if (value !== undefined) env.set(variable.name, value);
  }
  for (const [name, value] of sources.services) if (!env.has(name)) env.set(name, value);
  return env;
}

function valueOf(
  pod: Pod,
  container: Container,
  variable: EnvVar,
  env: ReadonlyMap<string, string>,
  sources: EnvironmentSources,
): string | undefined {
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? "", env, sources.services);
  if (from.fieldRef !== undefined) return fieldOf(pod, from.fieldRef.fieldPath, sources);
  if (from.resourceFieldRef !== undefined) {
    const name = from.resourceFieldRef.containerName;
    const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
    const owner = name === undefined || name === "" ? container : all.find((c) => c.name === name);
    return resourceOf(owner ?? container, from.resourceFieldRef.resource, from.resourceFieldRef.divisor, sources);
  }
  const ref = from.configMapKeyRef ?? from.secretKeyRef;
  if (ref?.name === undefined) return undefined;
  const kind = from.configMapKeyRef === undefined ? "Secret" : "ConfigMap";
  const data = sources.config(kind, ref.name);
  const value = data?.get(ref.key);
  if (value !== undefined) return value.toString("utf8");
  if (ref.optional) return undefined;
  if (data === undefined) throw missing(kind, ref.name);
  throw new TriremeError("NotFound", `couldn't find key ${ref.key} in ${kind} ${pod.metadata.namespace}/${ref.name}`);
}

function missing(kind: string, name: string): TriremeError {
  return new TriremeError("NotFound", `${kind.toLowerCase()} "${name}" not found`);
}

/** The downward API: a field of the pod as text. */
export function fieldOf(pod: Pod, path: string, sources: EnvironmentSources): string {
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
  if (keyed !== null) return pod.metadata[keyed[1] as "labels" | "annotations"]?.[keyed[2]!] ?? "";
  switch (path) {
    case "metadata.name":
      return pod.metadata.name;
    case "metadata.namespace":
      return pod.metadata.namespace ?? "";
    case "metadata.uid":
      return pod.metadata.uid ?? "";
    case "metadata.labels":
    case "metadata.annotations": {
      const map = pod.metadata[path === "metadata.labels" ? "labels" : "annotations"] ?? {};
      return Object.entries(map)
        .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
        .toSorted()
        .join("\n");
    }
    case "spec.nodeName":
      return sources.nodeName;
    case "spec.serviceAccountName":
      return pod.spec.serviceAccountName ?? "default";
    case "status.hostIP":
    case "status.hostIPs":
      return sources.hostIP;
    case "status.podIP":
    case "status.podIPs":
      return sources.podIP;
    default:
      throw new TriremeError("Invalid", `fieldPath "${path}" is not one that a pod can read of itself`);
  }
}

/** The downward API: a request or limit of one of the pod's containers as text. */
export function resourceFieldOf(pod: Pod, ref: ResourceFieldSelector, sources: EnvironmentSources): string {
  const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const container = all.find((one) => one.name === ref.containerName);
  if (container === undefined) {
    throw new TriremeError("Invalid", `container "${ref.containerName ?? ""}" of a resourceFieldRef is not in the pod`);
  }
  return resourceOf(container, ref.resource, ref.divisor, sources);
}

function resourceOf(
  container: Container,
  resource: string,
  divisor: string | undefined,
  sources: EnvironmentSources,
): string {
  const [kind, name] = resource.split(".") as [string, string];
  const own = kind === "limits" ? container.resources?.limits?.[name] : container.resources?.requests?.[name];
  const fallback = kind === "limits" ? sources.allocatable : { cpuMilli: 0, memoryBytes: 0 };
  const amount =
    own ?? (name === "cpu" ? `${fallback.cpuMilli}m` : name === "memory" ? `${fallback.memoryBytes}` : "0");
  const unit = divisor === undefined || divisor === "0" ? "1" : divisor;
  // Rounded up, as Kubernetes does: half a core reads as 1.
  return String(Math.ceil(parseQuantity(amount).milli / parseQuantity(unit).milli));
}
