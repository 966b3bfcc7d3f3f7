import type {
  ControllerRevision,
  DaemonSet,
  Deployment,
  LabelSelector,
  PodTemplateSpec,
  ReplicaSet,
  StatefulSet,
} from "../kinds.ts";
import { formatLabelSelector } from "../selectors.ts";
import { AGE, type ColumnOf, NAME, count, formatLabels, orNone, printer, text, wide } from "./column.ts";

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

/** Prints DaemonSets. */
export const daemonSetPrinter = printer<DaemonSet>([
  NAME,
  count("Desired", "Nodes that should run a Pod.", ({ status }: DaemonSet) => status?.desiredNumberScheduled ?? 0),
  count("Current", "Nodes of these that have one.", ({ status }: DaemonSet) => status?.currentNumberScheduled ?? 0),
  count("Ready", "Nodes whose Pod is ready.", ({ status }: DaemonSet) => status?.numberReady ?? 0),
  count("Up-to-date", "Nodes with a Pod of the newest template.", ({ status }: DaemonSet) => {
    return status?.updatedNumberScheduled ?? 0;
  }),
  count("Available", "Nodes whose Pod is available.", ({ status }: DaemonSet) => status?.numberAvailable ?? 0),
  text("Node Selector", "Labels of the nodes.", ({ spec }: DaemonSet) => formatLabels(spec.template.spec.nodeSelector)),
  AGE,
  ...TEMPLATE,
]);

/** Prints StatefulSets. */
export const statefulSetPrinter = printer<StatefulSet>([
  NAME,
  text("Ready", "Pods that are ready, of those wanted.", ({ spec, status }: StatefulSet) => {
    return `${status?.readyReplicas ?? 0}/${spec.replicas ?? 1}`;
  }),
  AGE,
  ...TEMPLATE.slice(0, 2),
]);

/** Prints the revisions of sets. */
export const controllerRevisionPrinter = printer<ControllerRevision>([
  NAME,
  text("Controller", "Whose revision it is.", ({ metadata }: ControllerRevision) => {
    const owner = metadata.ownerReferences?.find((one) => one.controller === true);
    return owner === undefined
      ? "<none>"
      : `${owner.kind.toLowerCase()}.${owner.apiVersion.split("/")[0]}/${owner.name}`;
  }),
  count("Revision", "Its place in the order of revisions.", ({ revision }: ControllerRevision) => revision),
  AGE,
]);
