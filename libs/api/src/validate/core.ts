import { fromBase64 } from "../base64.ts";
import type { ConfigMap, Event, Lease, Namespace, Node, Secret } from "../kinds.ts";
import { jsonEqual } from "../patch/value.ts";
import type { Problems } from "./field-error.ts";
import { isCidr } from "./ip.ts";
import { immutable } from "./metadata.ts";
import { configKeyProblems, qualifiedNameProblems } from "./names.ts";

/** Kubernetes' bound on the values of a ConfigMap or Secret: 1 MiB. */
const CONFIG_BYTES = 1024 * 1024;
/** Kubernetes' bound on the message of an Event. */
const EVENT_MESSAGE_BYTES = 1024;

/** Checks a ConfigMap. */
export function validateConfigMap({ data = {}, binaryData = {} }: ConfigMap, problems: Problems): void {
  let size = 0;
  for (const [key, value] of Object.entries(data)) {
    problems.each(`data[${key}]`, key, configKeyProblems(key));
    if (Object.hasOwn(binaryData, key)) {
      problems.invalid(`data[${key}]`, key, "duplicate of key present in binaryData");
    }
    size += new TextEncoder().encode(value).length;
  }
  for (const [key, value] of Object.entries(binaryData)) {
    problems.each(`binaryData[${key}]`, key, configKeyProblems(key));
    size += decodedLength(value);
  }
  if (size > CONFIG_BYTES) problems.tooLong("data", CONFIG_BYTES);
}

/** What a Secret of a built-in type must hold. */
const SECRET_KEYS: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
  "kubernetes.io/dockercfg": [".dockercfg"],
};

/** Checks a Secret. No value of it ever shows in a message. */
export function validateSecret({ data = {}, type = "Opaque", metadata }: Secret, problems: Problems): void {
  let size = 0;
  for (const [key, value] of Object.entries(data)) {
    problems.each(`data[${key}]`, key, configKeyProblems(key));
    size += decodedLength(value);
  }
  if (size > CONFIG_BYTES) problems.tooLong("data", CONFIG_BYTES);
  for (const key of SECRET_KEYS[type] ?? []) if (!Object.hasOwn(data, key)) problems.required(`data[${key}]`);
  const dockerConfig = data[".dockerconfigjson"];
  if (type === "kubernetes.io/dockerconfigjson" && dockerConfig !== undefined && !isJson(dockerConfig)) {
    problems.invalid("data[.dockerconfigjson]", "<secret contents redacted>", "must hold JSON");
  }
  if (type === "kubernetes.io/basic-auth" && !data["username"] && !data["password"]) {
    problems.required("data[username]");
    problems.required("data[password]");
  }
  const account = "kubernetes.io/service-account.name";
  if (type === "kubernetes.io/service-account-token" && !metadata.annotations?.[account]) {
    problems.required(`metadata.annotations[${account}]`);
  }
}

function decodedLength(base64: string): number {
  return Math.floor((base64.length * 3) / 4) - (base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0);
}

function isJson(base64: string): boolean {
  try {
    JSON.parse(new TextDecoder().decode(fromBase64(base64)));
    return true;
  } catch {
    return false;
  }
}

/** `immutable` holds for good, and for what it covers. */
export function validateConfigUpdate(object: ConfigMap | Secret, old: ConfigMap | Secret, problems: Problems): void {
  if (old.immutable !== true) return;
  if (object.immutable !== true) problems.forbidden("immutable", "field is immutable when `immutable` is set");
  for (const key of ["data", "binaryData"] as const) {
    const [now, before] = [(object as ConfigMap)[key] ?? {}, (old as ConfigMap)[key] ?? {}];
    if (!jsonEqual(now, before)) problems.forbidden(key, "field is immutable when `immutable` is set");
  }
}

/** A Secret's type is for life: what reads it relies on it. */
export function validateSecretUpdate(secret: Secret, old: Secret, problems: Problems): void {
  immutable("type", secret.type, old.type, problems);
  validateConfigUpdate(secret, old, problems);
}

/** Checks a Namespace. */
export function validateNamespace({ spec }: Namespace, problems: Problems): void {
  for (const [index, finalizer] of (spec?.finalizers ?? []).entries()) {
    problems.each(`spec.finalizers[${index}]`, finalizer, qualifiedNameProblems(finalizer));
  }
}

/** Checks a Node. */
export function validateNode({ spec }: Node, problems: Problems): void {
  const seen = new Set<string>();
  for (const [index, taint] of (spec?.taints ?? []).entries()) {
    if (taint.key) problems.each(`spec.taints[${index}].key`, taint.key, qualifiedNameProblems(taint.key));
    const key = `${taint.key}:${taint.effect}`;
    if (seen.has(key)) problems.duplicate(`spec.taints[${index}]`, key);
    seen.add(key);
  }
  for (const [index, cidr] of (spec?.podCIDRs ?? []).entries()) {
    if (!isCidr(cidr)) problems.invalid(`spec.podCIDRs[${index}]`, cidr, "must be a valid CIDR");
  }
}

/** A node's Pods have addresses of its range: it cannot change under them. */
export function validateNodeUpdate({ spec }: Node, { spec: old }: Node, problems: Problems): void {
  if (old?.podCIDR) immutable("spec.podCIDR", spec?.podCIDR, old.podCIDR, problems);
  if (old?.providerID) immutable("spec.providerID", spec?.providerID, old.providerID, problems);
}

/** Checks a Lease. */
export function validateLease({ spec }: Lease, problems: Problems): void {
  const { leaseDurationSeconds: duration, leaseTransitions: transitions } = spec ?? {};
  if (duration !== undefined && duration <= 0) {
    problems.invalid("spec.leaseDurationSeconds", duration, "must be greater than 0");
  }
  if (transitions !== undefined && transitions < 0) {
    problems.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0");
  }
}

/** Checks an Event: it lives beside what it is about. */
export function validateEvent({ metadata, involvedObject, message = "" }: Event, problems: Problems): void {
  const about = involvedObject?.namespace;
  if (about && about !== metadata.namespace) {
    problems.invalid("involvedObject.namespace", about, "does not match event.namespace");
  }
  if (!about && metadata.namespace !== "default") {
    problems.invalid("involvedObject.namespace", "", "does not match event.namespace");
  }
  if (message.length > EVENT_MESSAGE_BYTES) problems.tooLong("message", EVENT_MESSAGE_BYTES);
}
