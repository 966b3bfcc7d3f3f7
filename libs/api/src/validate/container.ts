import type { Container, EnvVarSource, LifecycleHandler, Probe, ResourceRequirements } from "../kinds.ts";
import { parseQuantity } from "../quantity.ts";
import type { Problems } from "./field-error.ts";
import { isIp } from "./ip.ts";
import {
  configKeyProblems,
  dnsLabelProblems,
  envNameProblems,
  portNameProblems,
  portNumberProblems,
  qualifiedNameProblems,
} from "./names.ts";

/** What a container may refer to. */
export interface ContainerContext {
  readonly volumes: ReadonlySet<string>;
  readonly hostNetwork: boolean;
  /** Init containers have probes and lifecycle only as sidecars. */
  readonly init: boolean;
}

/** Checks one container of a Pod or template. */
export function validateContainer(c: Container, path: string, context: ContainerContext, problems: Problems): void {
  if (c.name) problems.each(`${path}.name`, c.name, dnsLabelProblems(c.name));
  if (!c.image) problems.required(`${path}.image`);
  else if (c.image !== c.image.trim()) {
    problems.invalid(`${path}.image`, c.image, "must not have leading or trailing whitespace");
  }
  validatePorts(c, path, context, problems);
  validateEnv(c, path, problems);
  validateMounts(c, path, context, problems);
  validateResources(c.resources, `${path}.resources`, problems);
  validateProbes(c, path, context, problems);
  if (context.init && c.restartPolicy && c.restartPolicy !== "Always" && !c.restartPolicyRules?.length) {
    problems.notSupported(`${path}.restartPolicy`, c.restartPolicy, ["Always"]);
  }
  const security = c.securityContext;
  for (const key of ["runAsUser", "runAsGroup"] as const) {
    const id = security?.[key];
    if (id !== undefined && (id < 0 || id > 2 ** 31 - 1)) {
      problems.invalid(`${path}.securityContext.${key}`, id, "must be between 0 and 2147483647, inclusive");
    }
  }
  if (security?.allowPrivilegeEscalation === false && security.privileged) {
    problems.invalid(
      `${path}.securityContext`,
      { allowPrivilegeEscalation: false, privileged: true },
      "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
    );
  }
}

function validatePorts(c: Container, path: string, context: ContainerContext, problems: Problems): void {
  const names = new Set<string>();
  for (const [index, port] of (c.ports ?? []).entries()) {
    const at = `${path}.ports[${index}]`;
    if (port.name) {
      problems.each(`${at}.name`, port.name, portNameProblems(port.name));
      if (names.has(port.name)) problems.duplicate(`${at}.name`, port.name);
      names.add(port.name);
    }
    if (port.containerPort === 0) problems.required(`${at}.containerPort`);
    else if (port.containerPort !== undefined) {
      problems.each(`${at}.containerPort`, port.containerPort, portNumberProblems(port.containerPort));
    }
    if (port.hostPort) {
      problems.each(`${at}.hostPort`, port.hostPort, portNumberProblems(port.hostPort));
      if (context.hostNetwork && port.hostPort !== port.containerPort) {
        problems.invalid(`${at}.hostPort`, port.hostPort, "must match `containerPort` when `hostNetwork` is true");
      }
    }
    if (port.hostIP && !isIp(port.hostIP)) {
      problems.invalid(`${at}.hostIP`, port.hostIP, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    }
  }
}

function validateEnv(c: Container, path: string, problems: Problems): void {
  for (const [index, env] of (c.env ?? []).entries()) {
    const at = `${path}.env[${index}]`;
    if (env.name) problems.each(`${at}.name`, env.name, envNameProblems(env.name));
    if (env.valueFrom === undefined) continue;
    const sources = Object.keys(env.valueFrom).length;
    if (sources === 0) {
      problems.invalid(
        `${at}.valueFrom`,
        "",
        "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
      );
    }
    if (env.value) problems.invalid(`${at}.valueFrom`, "", "may not be specified when `value` is not empty");
    else if (sources > 1)
      problems.invalid(`${at}.valueFrom`, "", "may not have more than one field specified at a time");
    validateEnvFields(env.valueFrom, `${at}.valueFrom`, problems);
    for (const key of ["configMapKeyRef", "secretKeyRef"] as const) {
      const selector = env.valueFrom[key];
      if (selector === undefined) continue;
      if (!selector.name) problems.required(`${at}.valueFrom.${key}.name`);
      if (selector.key) problems.each(`${at}.valueFrom.${key}.key`, selector.key, configKeyProblems(selector.key));
    }
  }
  for (const [index, from] of (c.envFrom ?? []).entries()) {
    const at = `${path}.envFrom[${index}]`;
    const sources = [from.configMapRef, from.secretRef].filter((source) => source !== undefined).length;
    if (sources === 0) problems.invalid(at, "", "must specify one of: `configMapRef` or `secretRef`");
    if (sources > 1) problems.invalid(at, "", "may not have more than one field specified at a time");
    if (from.configMapRef && !from.configMapRef.name) problems.required(`${at}.configMapRef.name`);
    if (from.secretRef && !from.secretRef.name) problems.required(`${at}.secretRef.name`);
  }
}

/** What a container may read of its own pod into its environment. */
const ENV_FIELDS = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "spec.nodeName",
  "spec.serviceAccountName",
  "status.hostIP",
  "status.hostIPs",
  "status.podIP",
  "status.podIPs",
];
const ENV_RESOURCES = ["cpu", "memory", "ephemeral-storage"].flatMap((name) => [`limits.${name}`, `requests.${name}`]);

function validateEnvFields({ fieldRef, resourceFieldRef }: EnvVarSource, path: string, problems: Problems): void {
  if (fieldRef?.fieldPath) {
    const keyed = /^metadata\.(?:labels|annotations)\['.+'\]$/.test(fieldRef.fieldPath);
    if (!keyed && !ENV_FIELDS.includes(fieldRef.fieldPath)) {
      problems.notSupported(`${path}.fieldRef.fieldPath`, fieldRef.fieldPath, ENV_FIELDS);
    }
  }
  const resource = resourceFieldRef?.resource ?? "";
  if (resource === "") return;
  if (!ENV_RESOURCES.includes(resource) && !/^(?:limits|requests)\.hugepages-/.test(resource)) {
    problems.notSupported(`${path}.resourceFieldRef.resource`, resource, ENV_RESOURCES);
  }
}

function validateMounts(c: Container, path: string, context: ContainerContext, problems: Problems): void {
  const paths = new Set<string>();
  for (const [index, mount] of (c.volumeMounts ?? []).entries()) {
    const at = `${path}.volumeMounts[${index}]`;
    if (mount.name && !context.volumes.has(mount.name)) problems.notFound(`${at}.name`, mount.name);
    if (mount.mountPath && paths.has(mount.mountPath)) {
      problems.invalid(`${at}.mountPath`, mount.mountPath, "must be unique");
    }
    paths.add(mount.mountPath);
    if (mount.subPath && mount.subPathExpr) {
      problems.invalid(`${at}.subPathExpr`, mount.subPathExpr, "subPathExpr and subPath are mutually exclusive");
    }
    for (const key of ["subPath", "subPathExpr"] as const) {
      const value = mount[key];
      if (value) validateRelativePath(value, `${at}.${key}`, problems);
    }
  }
}

/** Checks a path that must stay below where it is mounted. */
export function validateRelativePath(value: string, path: string, problems: Problems): void {
  if (value.startsWith("/")) problems.invalid(path, value, "must be a relative path");
  if (value.split("/").includes("..")) problems.invalid(path, value, "must not contain '..'");
}

const STANDARD_RESOURCES = new Set(["cpu", "memory", "ephemeral-storage"]);

/** Checks requests and limits. */
export function validateResources(resources: ResourceRequirements | undefined, path: string, problems: Problems): void {
  const { limits = {}, requests = {} } = resources ?? {};
  for (const [part, amounts] of Object.entries({ limits, requests })) {
    for (const [name, amount] of Object.entries(amounts)) {
      const at = `${path}.${part}[${name}]`;
      problems.each(`${path}.${part}`, name, qualifiedNameProblems(name));
      if (!name.includes("/") && !STANDARD_RESOURCES.has(name) && !name.startsWith("hugepages-")) {
        problems.invalid(`${path}.${part}`, name, "must be a standard resource for containers");
      }
      if (parseQuantity(amount).nanos < 0n) problems.invalid(at, amount, "must be greater than or equal to 0");
    }
  }
  for (const [name, request] of Object.entries(requests)) {
    const limit = limits[name];
    if (limit !== undefined && parseQuantity(request).cmp(parseQuantity(limit)) > 0) {
      problems.invalid(`${path}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`);
    }
  }
}

function validateProbes(c: Container, path: string, context: ContainerContext, problems: Problems): void {
  const sidecar = context.init && c.restartPolicy === "Always";
  for (const name of ["livenessProbe", "readinessProbe", "startupProbe"] as const) {
    const probe = c[name];
    if (probe === undefined) continue;
    const at = `${path}.${name}`;
    if (context.init && !sidecar)
      problems.forbidden(at, "may not be set for init containers without restartPolicy=Always");
    validateProbe(probe, at, problems);
    if (name !== "readinessProbe" && (probe.successThreshold ?? 1) !== 1) {
      problems.invalid(`${at}.successThreshold`, probe.successThreshold, "must be 1");
    }
  }
  for (const name of ["postStart", "preStop"] as const) {
    const handler = c.lifecycle?.[name];
    if (handler) validateHandler(handler, `${path}.lifecycle.${name}`, problems);
  }
}

function validateProbe(probe: Probe, path: string, problems: Problems): void {
  validateHandler(probe, path, problems);
  const numbers = ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];
  for (const key of numbers as (keyof Probe)[]) {
    const value = probe[key];
    if (typeof value === "number" && value < 0) {
      problems.invalid(`${path}.${key}`, value, "must be greater than or equal to 0");
    }
  }
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace < 1) {
    problems.invalid(`${path}.terminationGracePeriodSeconds`, grace, "must be greater than 0");
  }
}

function validateHandler(handler: LifecycleHandler | Probe, path: string, problems: Problems): void {
  const kinds = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"].filter((kind) => Object.hasOwn(handler, kind));
  if (kinds.length === 0) problems.required(path, "must specify a handler type");
  for (const kind of kinds.slice(1)) problems.forbidden(`${path}.${kind}`, "may not specify more than 1 handler type");
  if (handler.exec && !handler.exec.command?.length) problems.required(`${path}.exec.command`);
  for (const kind of ["httpGet", "tcpSocket"] as const) {
    const port = handler[kind]?.port;
    if (typeof port === "number") problems.each(`${path}.${kind}.port`, port, portNumberProblems(port));
    else if (port) problems.each(`${path}.${kind}.port`, port, portNameProblems(port));
  }
  if ("grpc" in handler && handler.grpc) {
    problems.each(`${path}.grpc.port`, handler.grpc.port, portNumberProblems(handler.grpc.port));
  }
}
