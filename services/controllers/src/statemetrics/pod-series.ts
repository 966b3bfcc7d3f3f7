import type { Container, ContainerStatus, Pod } from "@trireme/api";
import type { Exposition, SampleLabels } from "@trireme/telemetry";
import { flagged, measured, ownerLabels, perObject, sanitized, secondsOf } from "./series.ts";

const PHASES = ["Pending", "Succeeded", "Failed", "Unknown", "Running"];
/** Reasons of a pod's end that have a series each; others would let anybody make series. */
const REASONS = ["Evicted", "NodeAffinity", "NodeLost", "Shutdown", "UnexpectedAdmissionError"];

/** kube_pod_*: pods as the API has them. */
export function podSeries(out: Exposition, pods: readonly Pod[]): void {
  const all = pods.map((pod) => ({ pod, labels: labelsOf(pod) }));
  type Add = (labels: SampleLabels, value: number) => void;
  const each = (name: string, help: string, add: (pod: Pod, labels: SampleLabels, add: Add) => void): void =>
    perObject(out, all, name, help, ({ pod, labels }, sample) => add(pod, labels, sample));

  each("kube_pod_info", "A pod and where it is.", (pod, labels, add) => {
    const owner = pod.metadata.ownerReferences?.find((one) => one.controller === true);
    const info = {
      host_ip: pod.status?.hostIP ?? "",
      pod_ip: pod.status?.podIP ?? "",
      node: pod.spec.nodeName ?? "",
      created_by_kind: owner?.kind ?? "",
      created_by_name: owner?.name ?? "",
      priority_class: pod.spec.priorityClassName ?? "",
      host_network: flagged(pod.spec.hostNetwork === true),
    };
    add({ ...labels, ...info }, 1);
  });
  each("kube_pod_owner", "Who owns a pod.", (pod, labels, add) => {
    for (const owner of ownerLabels(pod)) add({ ...labels, ...owner }, 1);
  });
  each("kube_pod_labels", "The pod; its labels are not told, since anybody may choose them.", (_pod, labels, add) =>
    add(labels, 1),
  );
  each("kube_pod_created", "When it was made.", (pod, labels, add) => {
    const at = secondsOf(pod.metadata.creationTimestamp);
    if (at !== undefined) add(labels, at);
  });
  each("kube_pod_start_time", "When its node took it.", (pod, labels, add) => {
    const at = secondsOf(pod.status?.startTime);
    if (at !== undefined) add(labels, at);
  });
  each("kube_pod_deletion_timestamp", "When it is to be gone.", (pod, labels, add) => {
    const at = secondsOf(pod.metadata.deletionTimestamp);
    if (at !== undefined) add(labels, at);
  });
  each("kube_pod_status_phase", "Its phase.", (pod, labels, add) => {
    for (const phase of PHASES) add({ ...labels, phase }, pod.status?.phase === phase ? 1 : 0);
  });
  each("kube_pod_status_ready", "Whether it is ready.", (pod, labels, add) => condition(pod, labels, "Ready", add));
  each("kube_pod_status_scheduled", "Whether it has a node.", (pod, labels, add) =>
    condition(pod, labels, "PodScheduled", add),
  );
  each("kube_pod_status_reason", "Why it ended.", (pod, labels, add) => {
    for (const reason of REASONS) add({ ...labels, reason }, pod.status?.reason === reason ? 1 : 0);
  });
  containerSeries(out, all);
}

function labelsOf({ metadata }: Pod): SampleLabels {
  return { namespace: metadata.namespace ?? "", pod: metadata.name, uid: metadata.uid ?? "" };
}

function condition(
  pod: Pod,
  labels: SampleLabels,
  type: string,
  add: (labels: SampleLabels, value: number) => void,
): void {
  const found = pod.status?.conditions?.find((one) => one.type === type);
  for (const one of ["true", "false", "unknown"]) {
    add({ ...labels, condition: one }, (found?.status ?? "Unknown").toLowerCase() === one ? 1 : 0);
  }
}

function containerSeries(out: Exposition, all: readonly { readonly pod: Pod; readonly labels: SampleLabels }[]): void {
  const statuses = all.flatMap(({ pod, labels }) =>
    (pod.status?.containerStatuses ?? []).map((status) => ({ status, labels: { ...labels, container: status.name } })),
  );
  const each = (
    name: string,
    help: string,
    value: (status: ContainerStatus) => number,
    more: (status: ContainerStatus) => SampleLabels | undefined = () => ({}),
  ): void =>
    perObject(out, statuses, `kube_pod_container_${name}`, help, ({ status, labels }, add) => {
      const labelled = more(status);
      if (labelled !== undefined) add({ ...labels, ...labelled }, value(status));
    });
  each(
    "info",
    "A container and its image.",
    () => 1,
    ({ image, imageID, containerID }) => ({ image, image_id: imageID, container_id: containerID ?? "" }),
  );
  each("status_ready", "Whether it is ready.", ({ ready }) => Number(ready));
  each("status_running", "Whether it runs.", ({ state }) => Number(state?.running !== undefined));
  each("status_waiting", "Whether it waits.", ({ state }) => Number(state?.waiting !== undefined));
  each("status_terminated", "Whether it has ended.", ({ state }) => Number(state?.terminated !== undefined));
  // Reasons are the agent's own words, of which there are a few dozen.
  each(
    "status_waiting_reason",
    "What it waits for.",
    () => 1,
    ({ state }) => (state?.waiting === undefined ? undefined : { reason: state.waiting.reason ?? "" }),
  );
  each(
    "status_terminated_reason",
    "Why it has ended.",
    () => 1,
    ({ state }) => (state?.terminated === undefined ? undefined : { reason: state.terminated.reason ?? "" }),
  );
  each(
    "status_last_terminated_reason",
    "Why its last run ended.",
    () => 1,
    ({ lastState }) =>
      lastState?.terminated === undefined ? undefined : { reason: lastState.terminated.reason ?? "" },
  );
  const restarts = out.family("kube_pod_container_status_restarts_total", "counter", "How often it was started again.");
  for (const { status, labels } of statuses) restarts.add(labels, status.restartCount);
  for (const kind of ["requests", "limits"] as const) {
    const family = out.family(`kube_pod_container_resource_${kind}`, "gauge", `Its ${kind}.`);
    for (const { pod, labels } of all) {
      for (const container of pod.spec.containers) {
        for (const [resource, amount] of Object.entries(resourcesOf(container, kind))) {
          const { unit, value } = measured(resource, amount);
          const node = pod.spec.nodeName ?? "";
          family.add({ ...labels, container: container.name, node, resource: sanitized(resource), unit }, value);
        }
      }
    }
  }
}

function resourcesOf(container: Container, kind: "requests" | "limits"): Readonly<Record<string, string>> {
  return (container.resources?.[kind] ?? {}) as Readonly<Record<string, string>>;
}
