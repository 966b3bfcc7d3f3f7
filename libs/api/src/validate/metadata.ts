import type { LabelSelector, ObjectMeta } from "../kinds.ts";
import { jsonEqual } from "../patch/value.ts";
import type { KubeObject, Resource } from "../resources.ts";
import type { Problems } from "./field-error.ts";
import {
  dns1035LabelProblems,
  dnsLabelProblems,
  dnsSubdomainProblems,
  labelValueProblems,
  pathSegmentProblems,
  qualifiedNameProblems,
} from "./names.ts";

/** Kubernetes' bound on the keys and values of all annotations together. */
const ANNOTATIONS_BYTES = 256 * 1024;

/** Checks what every object has. */
export function validateMetadata(resource: Resource, { metadata }: KubeObject, problems: Problems): void {
  const { name, generateName, namespace } = metadata;
  const check = nameCheckOf(resource);
  if (generateName) problems.each("metadata.generateName", generateName, check(generateName.replace(/-$/, "a")));
  if (name) problems.each("metadata.name", name, check(name));
  else problems.required("metadata.name", "name or generateName is required");
  if (resource.namespaced) {
    if (!namespace) problems.required("metadata.namespace");
    else problems.each("metadata.namespace", namespace, dnsLabelProblems(namespace));
  } else if (namespace) {
    problems.forbidden("metadata.namespace", "not allowed on this type");
  }
  validateLabels(metadata.labels, "metadata.labels", problems);
  validateAnnotations(metadata.annotations, "metadata.annotations", problems);
  validateOwners(metadata, problems);
  for (const [index, finalizer] of (metadata.finalizers ?? []).entries()) {
    problems.each(`metadata.finalizers[${index}]`, finalizer, qualifiedNameProblems(finalizer));
  }
}

function nameCheckOf({ group, kind }: Resource): (name: string) => string[] {
  // The names of roles say whose they are, as in `system:node`: any segment of a path will do.
  if (group === "rbac.authorization.k8s.io") return pathSegmentProblems;
  if (group !== "") return dnsSubdomainProblems;
  if (kind === "Namespace") return dnsLabelProblems;
  return kind === "Service" ? dns1035LabelProblems : dnsSubdomainProblems;
}

function validateOwners({ ownerReferences }: ObjectMeta, problems: Problems): void {
  const controllers = (ownerReferences ?? []).filter((owner) => owner.controller === true);
  if (controllers.length > 1) {
    problems.invalid(
      "metadata.ownerReferences",
      controllers.map((owner) => `${owner.kind}/${owner.name}`),
      "Only one reference can have Controller set to true",
    );
  }
}

/** Checks keys and values of labels. */
export function validateLabels(labels: Record<string, string> | undefined, path: string, problems: Problems): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    problems.each(path, key, qualifiedNameProblems(key));
    problems.each(path, value, labelValueProblems(value));
  }
}

/** Checks keys and the total size of annotations. */
export function validateAnnotations(
  annotations: Record<string, string> | undefined,
  path: string,
  problems: Problems,
): void {
  let size = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    problems.each(path, key, qualifiedNameProblems(key.toLowerCase()));
    size += key.length + value.length;
  }
  if (size > ANNOTATIONS_BYTES) problems.tooLong(path, ANNOTATIONS_BYTES);
}

/** Checks a label selector. */
export function validateSelector(selector: LabelSelector, path: string, problems: Problems): void {
  validateLabels(selector.matchLabels, `${path}.matchLabels`, problems);
  for (const [index, { key, operator, values = [] }] of (selector.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${index}]`;
    if (key) problems.each(`${at}.key`, key, qualifiedNameProblems(key));
    if ((operator === "In" || operator === "NotIn") && values.length === 0) {
      problems.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
    }
    if ((operator === "Exists" || operator === "DoesNotExist") && values.length > 0) {
      problems.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
    for (const [valueIndex, value] of values.entries()) {
      problems.each(`${at}.values[${valueIndex}]`, value, labelValueProblems(value));
    }
  }
}

/** Reports a field that may not change. */
export function immutable(path: string, value: unknown, old: unknown, problems: Problems): void {
  if (!jsonEqual(value ?? null, old ?? null)) problems.invalid(path, value ?? null, "field is immutable");
}

/** Checks what no update may do to metadata. */
export function validateMetadataUpdate(
  { metadata }: KubeObject,
  { metadata: old }: KubeObject,
  problems: Problems,
): void {
  for (const key of ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"] as const) {
    immutable(`metadata.${key}`, metadata[key], old[key], problems);
  }
  if (old.deletionTimestamp === undefined) return;
  const added = (metadata.finalizers ?? []).filter((finalizer) => !(old.finalizers ?? []).includes(finalizer));
  if (added.length > 0) {
    problems.forbidden(
      "metadata.finalizers",
      `no new finalizers can be added if the object is being deleted, found new finalizers: ${added.join(", ")}`,
    );
  }
}
