import { TriremeError } from "@trireme/base";
import {
  type FieldRequirement,
  type KubeObject,
  type LabelRequirement,
  type Resource,
  fieldsMatch,
  parseFieldSelector,
  parseLabelSelector,
  requirementsMatch,
} from "@trireme/api";

/** Whether an object is wanted. */
export interface Selection {
  readonly matchesAll: boolean;
  /** Set when a field selector admits one name alone. */
  readonly name: string | undefined;
  matches(object: KubeObject): boolean;
}

type Getter = (object: KubeObject) => string | undefined;

function at(...path: string[]): Getter {
  return (object) => {
    let value: unknown = object;
    for (const part of path) value = (value as Record<string, unknown> | undefined | null)?.[part];
    return value === undefined || value === null ? undefined : String(value);
  };
}

const META: Readonly<Record<string, Getter>> = {
  "metadata.name": at("metadata", "name"),
  "metadata.namespace": at("metadata", "namespace"),
};

/** The fields that Kubernetes lets one select by, per resource (pkg/apis/core/v1/conversion.go); any other is a 400. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, Getter>>>> = {
  pods: {
    "spec.nodeName": at("spec", "nodeName"),
    "spec.restartPolicy": at("spec", "restartPolicy"),
    "spec.schedulerName": at("spec", "schedulerName"),
    "spec.serviceAccountName": at("spec", "serviceAccountName"),
    "spec.hostNetwork": (object) => at("spec", "hostNetwork")(object) ?? "false",
    "status.phase": at("status", "phase"),
    "status.podIP": at("status", "podIP"),
    "status.podIPs": at("status", "podIP"),
    "status.nominatedNodeName": at("status", "nominatedNodeName"),
  },
  nodes: { "spec.unschedulable": (object) => at("spec", "unschedulable")(object) ?? "false" },
  namespaces: { "status.phase": at("status", "phase") },
  secrets: { type: at("type") },
  services: { "spec.clusterIP": at("spec", "clusterIP"), "spec.type": at("spec", "type") },
  replicasets: { "status.replicas": (object) => at("status", "replicas")(object) ?? "0" },
  jobs: { "status.successful": (object) => at("status", "succeeded")(object) ?? "0" },
  events: {
    "involvedObject.kind": at("involvedObject", "kind"),
    "involvedObject.namespace": at("involvedObject", "namespace"),
    "involvedObject.name": at("involvedObject", "name"),
    "involvedObject.uid": at("involvedObject", "uid"),
    "involvedObject.apiVersion": at("involvedObject", "apiVersion"),
    "involvedObject.resourceVersion": at("involvedObject", "resourceVersion"),
    "involvedObject.fieldPath": at("involvedObject", "fieldPath"),
    reason: at("reason"),
    reportingComponent: (object) => at("reportingComponent")(object) ?? at("source", "component")(object),
    source: (object) => at("source", "component")(object) ?? at("reportingComponent")(object),
    type: at("type"),
  },
};

/** Parses a label and a field selector for one resource. Throws BadRequest naming what cannot be selected by. */
export function selectionOf(
  resource: Resource,
  labelSelector: string | undefined,
  fieldSelector: string | undefined,
): Selection {
  const labels: readonly LabelRequirement[] = parseLabelSelector(labelSelector ?? "");
  const fields: readonly FieldRequirement[] =
    fieldSelector === undefined || fieldSelector === "" ? [] : parseFieldSelector(fieldSelector);
  const getters: Readonly<Record<string, Getter>> = { ...META, ...FIELDS[resource.resource] };
  for (const { field } of fields) {
    if (getters[field] !== undefined) continue;
    // kubectl puts its own sentence with the whole selector before this one.
    const known = Object.keys(getters).toSorted().join(", ");
    throw new TriremeError("BadRequest", `field label not supported: ${field}; supported are: ${known}`);
  }
  const name = fields.find((one) => one.field === "metadata.name" && one.op === "=")?.value;
  return {
    matchesAll: labels.length === 0 && fields.length === 0,
    name,
    matches: (object) =>
      requirementsMatch(labels, object.metadata.labels) && fieldsMatch(fields, (field) => getters[field]?.(object)),
  };
}
