import type { Container, Pod, PodSpec, PodTemplateSpec, Toleration } from "../kinds.ts";
import { jsonEqual } from "../patch/value.ts";
import { validateContainer } from "./container.ts";
import type { Problems } from "./field-error.ts";
import { isIp } from "./ip.ts";
import { validateAnnotations, validateLabels, validateSelector } from "./metadata.ts";
import { dnsLabelProblems, dnsSubdomainProblems, qualifiedNameProblems } from "./names.ts";
import { validateVolumes } from "./volume.ts";

/** What glibc and musl still read. */
const MAX_NAMESERVERS = 3;

/** Checks a new Pod. */
export function validatePod(pod: Pod, problems: Problems): void {
  validatePodSpec(pod.spec, "spec", problems);
  if (pod.spec.ephemeralContainers?.length) {
    problems.forbidden("spec.ephemeralContainers", "cannot be set on create");
  }
}

/** Checks the spec of a Pod or template. */
export function validatePodSpec(spec: PodSpec, path: string, problems: Problems): void {
  const volumes = validateVolumes(spec.volumes ?? [], `${path}.volumes`, problems);
  const hostNetwork = spec.hostNetwork === true;
  if (!spec.containers?.length) problems.required(`${path}.containers`);
  const names = new Set<string>();
  for (const list of ["containers", "initContainers"] as const) {
    for (const [index, container] of (spec[list] ?? []).entries()) {
      const at = `${path}.${list}[${index}]`;
      if (container.name && names.has(container.name)) problems.duplicate(`${at}.name`, container.name);
      names.add(container.name);
      validateContainer(container, at, { volumes, hostNetwork, init: list === "initContainers" }, problems);
    }
  }
  validateHostPorts(spec.containers ?? [], `${path}.containers`, problems);
  const grace = spec.terminationGracePeriodSeconds;
  if (grace !== undefined && grace < 0) {
    problems.invalid(`${path}.terminationGracePeriodSeconds`, grace, "must be greater than or equal to 0");
  }
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > 2 ** 31 - 1)) {
    problems.invalid(`${path}.activeDeadlineSeconds`, deadline, "must be between 1 and 2147483647, inclusive");
  }
  const subdomains = { nodeName: spec.nodeName, serviceAccountName: spec.serviceAccountName };
  for (const [key, value] of Object.entries(subdomains)) {
    if (value) problems.each(`${path}.${key}`, value, dnsSubdomainProblems(value));
  }
  for (const key of ["hostname", "subdomain"] as const) {
    if (spec[key]) problems.each(`${path}.${key}`, spec[key], dnsLabelProblems(spec[key]));
  }
  validateLabels(spec.nodeSelector, `${path}.nodeSelector`, problems);
  for (const [index, toleration] of (spec.tolerations ?? []).entries()) {
    validateToleration(toleration, `${path}.tolerations[${index}]`, problems);
  }
  for (const [index, alias] of (spec.hostAliases ?? []).entries()) {
    if (alias.ip && !isIp(alias.ip)) {
      problems.invalid(`${path}.hostAliases[${index}].ip`, alias.ip, "must be a valid IP address");
    }
  }
  for (const [index, constraint] of (spec.topologySpreadConstraints ?? []).entries()) {
    const at = `${path}.topologySpreadConstraints[${index}]`;
    if (constraint.maxSkew <= 0) problems.invalid(`${at}.maxSkew`, constraint.maxSkew, "must be greater than zero");
    if (constraint.labelSelector) validateSelector(constraint.labelSelector, `${at}.labelSelector`, problems);
  }
  validateDns(spec, path, problems);
  validateAffinity(spec, path, problems);
}

function validateHostPorts(containers: readonly Container[], path: string, problems: Problems): void {
  const taken = new Set<string>();
  for (const [index, container] of containers.entries()) {
    for (const [portIndex, port] of (container.ports ?? []).entries()) {
      if (!port.hostPort) continue;
      const key = `${port.hostIP ?? ""}:${port.hostPort}/${port.protocol ?? "TCP"}`;
      if (taken.has(key)) problems.duplicate(`${path}[${index}].ports[${portIndex}].hostPort`, port.hostPort);
      taken.add(key);
    }
  }
}

function validateToleration(toleration: Toleration, path: string, problems: Problems): void {
  const { key, operator, value, effect, tolerationSeconds } = toleration;
  if (key) problems.each(`${path}.key`, key, qualifiedNameProblems(key));
  else if (operator !== "Exists") {
    problems.invalid(
      `${path}.operator`,
      operator ?? "",
      "operator must be Exists when `key` is empty, which means " + '"match all values and all keys"',
    );
  }
  if (operator === "Exists" && value) {
    problems.invalid(`${path}.operator`, value, "value must be empty when `operator` is 'Exists'");
  }
  if (tolerationSeconds !== undefined && effect !== "NoExecute") {
    problems.invalid(`${path}.effect`, effect ?? "", "effect must be 'NoExecute' when `tolerationSeconds` is set");
  }
}

function validateDns({ dnsConfig, dnsPolicy }: PodSpec, path: string, problems: Problems): void {
  const nameservers = dnsConfig?.nameservers ?? [];
  if (dnsPolicy === "None" && nameservers.length === 0) {
    problems.required(
      `${path}.dnsConfig.nameservers`,
      "must provide at least one DNS nameserver when `dnsPolicy` is None",
    );
  }
  if (nameservers.length > MAX_NAMESERVERS) {
    problems.invalid(
      `${path}.dnsConfig.nameservers`,
      nameservers,
      `must not have more than ${MAX_NAMESERVERS} nameservers`,
    );
  }
  for (const [index, server] of nameservers.entries()) {
    if (!isIp(server)) {
      problems.invalid(`${path}.dnsConfig.nameservers[${index}]`, server, "must be a valid IP address");
    }
  }
}

function validateAffinity({ affinity }: PodSpec, path: string, problems: Problems): void {
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required && required.nodeSelectorTerms.length === 0) {
    problems.required(
      `${path}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`,
      "must have at least one node selector term",
    );
  }
  for (const kind of ["podAffinity", "podAntiAffinity"] as const) {
    const terms = affinity?.[kind]?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    for (const [index, term] of terms.entries()) {
      if (term.weight < 1 || term.weight > 100) {
        const at = `${path}.affinity.${kind}.preferredDuringSchedulingIgnoredDuringExecution[${index}].weight`;
        problems.invalid(at, term.weight, "must be in the range 1-100");
      }
    }
  }
}

/** Checks the template of a workload: one whose Pods always restart, unless told otherwise. */
export function validateTemplate(
  template: PodTemplateSpec,
  path: string,
  problems: Problems,
  restartPolicies: readonly string[] = ["Always"],
): void {
  validateLabels(template.metadata?.labels, `${path}.metadata.labels`, problems);
  validateAnnotations(template.metadata?.annotations, `${path}.metadata.annotations`, problems);
  if (!template.spec) {
    problems.required(`${path}.spec.containers`);
    return;
  }
  validatePodSpec(template.spec, `${path}.spec`, problems);
  if (template.spec.restartPolicy && !restartPolicies.includes(template.spec.restartPolicy)) {
    problems.notSupported(`${path}.spec.restartPolicy`, template.spec.restartPolicy, [...restartPolicies]);
  }
  if (restartPolicies.includes("Always") && template.spec.activeDeadlineSeconds !== undefined) {
    problems.forbidden(`${path}.spec.activeDeadlineSeconds`, "activeDeadlineSeconds in a template is not supported");
  }
  if (template.spec.ephemeralContainers?.length) {
    problems.forbidden(`${path}.spec.ephemeralContainers`, "ephemeral containers not allowed in pod template");
  }
}

/** Checks an update of a Pod: nearly all of its spec is for life. */
export function validatePodUpdate(pod: Pod, old: Pod, problems: Problems): void {
  validatePodSpec(pod.spec, "spec", problems);
  validateEphemeral(pod.spec, old.spec, problems);
  const added = pod.spec.tolerations ?? [];
  const lost = (old.spec.tolerations ?? []).find(
    (toleration) => !added.some((other) => sameToleration(other, toleration)),
  );
  if (lost !== undefined) {
    problems.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
  }
  const deadline = pod.spec.activeDeadlineSeconds;
  const oldDeadline = old.spec.activeDeadlineSeconds;
  if (oldDeadline !== undefined && (deadline === undefined || deadline > oldDeadline)) {
    problems.invalid("spec.activeDeadlineSeconds", deadline ?? null, "must be less than or equal to previous value");
  }
  const changed = firstDifference(comparable(pod.spec), comparable(old.spec), "spec");
  if (changed !== undefined) {
    problems.forbidden(
      "spec",
      "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`," +
        "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations)," +
        `\`spec.terminationGracePeriodSeconds\` (allow it to be set to 1 if it was previously negative): ${changed} differs`,
    );
  }
}

/** What nobody needs to look inside, and what would make a pod wait for a container that only looks. */
const NOT_EPHEMERAL = ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] as const;

/** Ephemeral containers are added, and never changed or taken away. */
function validateEphemeral(spec: PodSpec, old: PodSpec, problems: Problems): void {
  const path = "spec.ephemeralContainers";
  const names = new Set([...spec.containers, ...(spec.initContainers ?? [])].map((container) => container.name));
  const targets = new Set(spec.containers.map((container) => container.name));
  const volumes = new Set((spec.volumes ?? []).map((volume) => volume.name));
  for (const [index, container] of (spec.ephemeralContainers ?? []).entries()) {
    const at = `${path}[${index}]`;
    if (names.has(container.name)) problems.duplicate(`${at}.name`, container.name);
    names.add(container.name);
    validateContainer(container, at, { volumes, hostNetwork: spec.hostNetwork === true, init: false }, problems);
    for (const field of NOT_EPHEMERAL) {
      const value = container[field];
      if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
      problems.forbidden(`${at}.${field}`, "cannot be set for an Ephemeral Container");
    }
    if (Object.keys(container.resources ?? {}).length > 0) {
      problems.forbidden(`${at}.resources`, "cannot be set for an Ephemeral Container");
    }
    if (container.targetContainerName && !targets.has(container.targetContainerName)) {
      problems.notFound(`${at}.targetContainerName`, container.targetContainerName);
    }
  }
  for (const before of old.ephemeralContainers ?? []) {
    const now = (spec.ephemeralContainers ?? []).find((container) => container.name === before.name);
    if (now === undefined)
      problems.forbidden(path, `existing ephemeral containers "${before.name}" may not be removed`);
    else if (!jsonEqual(now, before)) {
      problems.forbidden(path, `existing ephemeral containers "${before.name}" may not be changed`);
    }
  }
}

function sameToleration(a: Toleration, b: Toleration): boolean {
  const { tolerationSeconds: _a, ...left } = a;
  const { tolerationSeconds: _b, ...right } = b;
  return jsonEqual(left, right);
}

/** A spec without what may change. */
function comparable(spec: PodSpec): unknown {
  const withoutImage = (list: Container[] | undefined) => list?.map((container) => ({ ...container, image: "" }));
  const copy: PodSpec = { ...spec, containers: withoutImage(spec.containers)! };
  const init = withoutImage(spec.initContainers);
  if (init !== undefined) copy.initContainers = init;
  for (const key of ["activeDeadlineSeconds", "tolerations", "ephemeralContainers"] as const) delete copy[key];
  return copy;
}

/** The path of the first value that differs between two JSON values. */
function firstDifference(a: unknown, b: unknown, path: string): string | undefined {
  if (jsonEqual(a ?? null, b ?? null)) return undefined;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return path;
  if (Array.isArray(a) !== Array.isArray(b)) return path;
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const at = Array.isArray(a) ? `${path}[${key}]` : `${path}.${key}`;
    const found = firstDifference((a as never)[key], (b as never)[key], at);
    if (found !== undefined) return found;
  }
  return path;
}
