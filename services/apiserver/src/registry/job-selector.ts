import type { Job, KubeObject, Resource } from "@trireme/api";

/** The label by which a Job knows its pods: its uid, so that no other Job selects them. */
const CONTROLLER_UID = "batch.kubernetes.io/controller-uid";

/** A new Job selects the pods with its own uid, unless it brings a selector of its own. Other kinds stay as they are. */
export function withOwnSelector(resource: Resource, object: KubeObject): KubeObject {
  if (resource.group !== "batch" || resource.resource !== "jobs") return object;
  const job = object as Job;
  const { uid = "", name } = job.metadata;
  const { spec } = job;
  // What is missing here is validation's to say.
  if (spec?.template === undefined || spec.manualSelector === true || spec.selector !== undefined) return object;
  const labels = {
    ...spec.template.metadata?.labels,
    [CONTROLLER_UID]: uid,
    "batch.kubernetes.io/job-name": name,
    "controller-uid": uid,
    "job-name": name,
  };
  const template = { ...spec.template, metadata: { ...spec.template.metadata, labels } };
  const selected: Job = { ...job, spec: { ...spec, selector: { matchLabels: { [CONTROLLER_UID]: uid } }, template } };
  // A Job without labels of its own has its template's, these included.
  return job.metadata.labels === undefined ? { ...selected, metadata: { ...job.metadata, labels } } : selected;
}
