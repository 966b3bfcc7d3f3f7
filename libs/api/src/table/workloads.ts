import type { Deployment, LabelSelector, PodTemplateSpec, ReplicaSet } from "../kinds.ts";
import { formatLabelSelector } from "../selectors.ts";
import { AGE, type ColumnOf, NAME, count, orNone, printer, text, wide } from "./column.ts";

interface Workload {
  spec: { selector?: LabelSelector; template: PodTemplateSpec };
}

/** Wide columns about the template and the selector. */
export const TEMPLATE: readonly ColumnOf<Workload>[] = [
  text<Workload>("Containers", "Names of the template's containers.", ({ spec }) =>
    spec.template.spec.containers.map((c) => c.name).join(","),
  ),
  text<Workload>("Images", "Images of the template's containers.", ({ spec }) =>
    spec.template.spec.containers.map((c) => c.image ?? "").join(","),
  ),
  text<Workload>("Selector", "Labels of the Pods that it counts as its own.", ({ spec }) =>
    selectorText(spec.selector),
  ),
].map(wide);

function selectorText(selector: LabelSelector | undefined): string {
  return orNone(formatLabelSelector(selector));
}

/** Prints Deployments. */
export const deploymentPrinter = printer<Deployment>([
  NAME,
  text("Ready", "Pods that are ready, of those wanted.", ({ spec, status }: Deployment) => {
    return `${status?.readyReplicas ?? 0}/${spec.replicas ?? 1}`;
  }),
  count("Up-to-date", "Pods of the newest template.", ({ status }: Deployment) => status?.updatedReplicas ?? 0),
  count("Available", "Pods ready for minReadySeconds.", ({ status }: Deployment) => status?.availableReplicas ?? 0),
  AGE,
  ...TEMPLATE,
]);

/** Prints ReplicaSets. */
export const replicaSetPrinter = printer<ReplicaSet>([
  NAME,
  count("Desired", "Pods wanted.", ({ spec }: ReplicaSet) => spec.replicas ?? 1),
  count("Current", "Pods that exist.", ({ status }: ReplicaSet) => status?.replicas ?? 0),
  count("Ready", "Pods that are ready.", ({ status }: ReplicaSet) => status?.readyReplicas ?? 0),
  AGE,
  ...TEMPLATE,
]);
