import type { ControllerRevision, DaemonSet, PodTemplateSpec, StatefulSet, StatefulSetSpec } from "../kinds.ts";
import { Problems } from "./field-error.ts";
import { immutable } from "./metadata.ts";
import { dnsLabelProblems } from "./names.ts";
import { validateClaimSpec } from "./storage.ts";
import { isZero, notNegative, validateSelectorAndTemplate, validateSteps } from "./workloads.ts";

/** Checks a DaemonSet. */
export function validateDaemonSet({ spec }: DaemonSet, problems: Problems): void {
  if (spec === undefined) return;
  validateSelectorAndTemplate(spec.selector, spec.template, problems);
  notNegative(spec.minReadySeconds, "spec.minReadySeconds", problems);
  notNegative(spec.revisionHistoryLimit, "spec.revisionHistoryLimit", problems);
  const rolling = spec.updateStrategy?.rollingUpdate;
  const at = "spec.updateStrategy.rollingUpdate";
  validateSteps(rolling, at, problems);
  if (rolling === undefined) return;
  if (rolling.maxSurge !== undefined && !isZero(rolling.maxSurge)) {
    problems.forbidden(`${at}.maxSurge`, "is not supported by this cluster yet");
  } else if (isZero(rolling.maxUnavailable)) {
    problems.invalid(`${at}.maxUnavailable`, rolling.maxUnavailable, "cannot be 0 when maxSurge is 0");
  }
}

/** Checks a StatefulSet. */
export function validateStatefulSet({ spec }: StatefulSet, problems: Problems): void {
  if (spec === undefined) return;
  validateSelectorAndTemplate(spec.selector, withClaims(spec), problems);
  for (const key of ["replicas", "minReadySeconds", "revisionHistoryLimit"] as const) {
    notNegative(spec[key], `spec.${key}`, problems);
  }
  notNegative(spec.ordinals?.start, "spec.ordinals.start", problems);
  const rolling = spec.updateStrategy?.rollingUpdate;
  notNegative(rolling?.partition, "spec.updateStrategy.rollingUpdate.partition", problems);
  if (rolling?.maxUnavailable !== undefined && rolling.maxUnavailable !== 1) {
    problems.forbidden("spec.updateStrategy.rollingUpdate.maxUnavailable", "only 1 is supported by this cluster yet");
  }
  for (const [index, template] of (spec.volumeClaimTemplates ?? []).entries()) {
    const at = `spec.volumeClaimTemplates[${index}]`;
    if (!template.metadata?.name) problems.required(`${at}.metadata.name`);
    else problems.each(`${at}.metadata.name`, template.metadata.name, dnsLabelProblems(template.metadata.name));
    if (template.spec !== undefined) validateClaimSpec(template.spec, `${at}.spec`, problems);
  }
}

/** The template as its pods will be: with a volume for each claim, in the place of its own of that name. */
function withClaims({ template, volumeClaimTemplates = [] }: StatefulSetSpec): PodTemplateSpec | undefined {
  if (template?.spec === undefined || volumeClaimTemplates.length === 0) return template;
  const names = volumeClaimTemplates.map(({ metadata }) => metadata?.name ?? "");
  const volumes = [
    ...(template.spec.volumes ?? []).filter(({ name }) => !names.includes(name)),
    ...names.map((name) => ({ name, persistentVolumeClaim: { claimName: name } })),
  ];
  return { ...template, spec: { ...template.spec, volumes } };
}

const CHANGEABLE: ReadonlySet<string> = new Set([
  "replicas",
  "ordinals",
  "template",
  "updateStrategy",
  "revisionHistoryLimit",
  "persistentVolumeClaimRetentionPolicy",
  "minReadySeconds",
]);

/** A StatefulSet keeps what its Pods' identity hangs on. */
export function validateStatefulSetUpdate({ spec }: StatefulSet, { spec: old }: StatefulSet, problems: Problems): void {
  const keep = (of: object | undefined): object =>
    Object.fromEntries(Object.entries(of ?? {}).filter(([key]) => !CHANGEABLE.has(key)));
  const kept = new Problems();
  immutable("spec", keep(spec), keep(old), kept);
  if (kept.list.length === 0) return;
  const fields = [...CHANGEABLE].map((field) => `'${field}'`);
  const words = `${fields.slice(0, -1).join(", ")} and ${fields.at(-1)}`;
  problems.forbidden("spec", `updates to statefulset spec for fields other than ${words} are forbidden`);
}

/** What a revision remembers never changes. */
export function validateControllerRevisionUpdate(
  { data }: ControllerRevision,
  { data: old }: ControllerRevision,
  problems: Problems,
): void {
  immutable("data", data, old, problems);
}
