import type { KubeObject, Resource } from "../resources.ts";
import { cronJobPrinter, jobPrinter } from "./batch.ts";
import { autoscalerPrinter, scalePrinter } from "./autoscaling.ts";
import type { Column, Printer } from "./column.ts";
import {
  configMapPrinter,
  eventPrinter,
  leasePrinter,
  namespacePrinter,
  nodePrinter,
  plainPrinter,
  secretPrinter,
  serviceAccountPrinter,
} from "./core.ts";
import { endpointSlicePrinter, servicePrinter } from "./network.ts";
import { podPrinter } from "./pod.ts";
import { persistentVolumeClaimPrinter, persistentVolumePrinter, storageClassPrinter } from "./storage.ts";
import { podDisruptionBudgetPrinter } from "./policy.ts";
import { roleBindingPrinter, rolePrinter } from "./rbac.ts";
import {
  daemonSetPrinter,
  deploymentPrinter,
  replicaSetPrinter,
  statefulSetPrinter,
  controllerRevisionPrinter,
} from "./workloads.ts";

/** The answer to `Accept: application/json;as=Table`. The caller adds resourceVersion and continue to `metadata`. */
export interface Table {
  kind: "Table";
  apiVersion: "meta.k8s.io/v1";
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  columnDefinitions: readonly Column[];
  rows: { cells: (string | number)[]; object?: unknown }[];
}

/**
 * `now` in milliseconds; `includeObject` decides what rides along with each row (`Metadata` unless told), and `shown` in
 * which version.
 */
export interface TableOptions {
  readonly now: number;
  readonly includeObject?: "None" | "Metadata" | "Object";
  readonly shown?: (object: KubeObject) => KubeObject;
}

const PRINTERS: Readonly<Record<string, Printer>> = {
  "/Namespace": namespacePrinter,
  "/Pod": podPrinter,
  "/Service": servicePrinter,
  "/ConfigMap": configMapPrinter,
  "/Secret": secretPrinter,
  "/ServiceAccount": serviceAccountPrinter,
  "/Node": nodePrinter,
  "/Event": eventPrinter,
  "apps/Deployment": deploymentPrinter,
  "apps/ReplicaSet": replicaSetPrinter,
  "apps/DaemonSet": daemonSetPrinter,
  "apps/StatefulSet": statefulSetPrinter,
  "apps/ControllerRevision": controllerRevisionPrinter,
  "batch/Job": jobPrinter,
  "batch/CronJob": cronJobPrinter,
  "autoscaling/HorizontalPodAutoscaler": autoscalerPrinter,
  "policy/PodDisruptionBudget": podDisruptionBudgetPrinter,
  "autoscaling/Scale": scalePrinter,
  "discovery.k8s.io/EndpointSlice": endpointSlicePrinter,
  "coordination.k8s.io/Lease": leasePrinter,
  "/PersistentVolume": persistentVolumePrinter,
  "/PersistentVolumeClaim": persistentVolumeClaimPrinter,
  "storage.k8s.io/StorageClass": storageClassPrinter,
  "rbac.authorization.k8s.io/Role": rolePrinter,
  "rbac.authorization.k8s.io/ClusterRole": rolePrinter,
  "rbac.authorization.k8s.io/RoleBinding": roleBindingPrinter,
  "rbac.authorization.k8s.io/ClusterRoleBinding": roleBindingPrinter,
};

/** Renders objects of one kind as kubectl prints them; the kind may be one that only a subresource speaks. */
export function tableFor<T extends KubeObject>(
  resource: Pick<Resource<T>, "group" | "kind" | "phantom">,
  objects: readonly T[],
  options: TableOptions,
): Table {
  const printer = PRINTERS[`${resource.group}/${resource.kind}`] ?? plainPrinter;
  const rows = objects.map((printed) => {
    const cells = printer.cells(printed, options.now);
    const object = options.shown?.(printed) ?? printed;
    switch (options.includeObject ?? "Metadata") {
      case "None":
        return { cells };
      case "Object":
        return { cells, object };
      case "Metadata": {
        const { metadata } = object;
        return { cells, object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata } };
      }
    }
  });
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: {},
    columnDefinitions: printer.columns,
    rows,
  };
}
