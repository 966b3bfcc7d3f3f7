import type { EndpointSlice, Node, Pod } from "@trireme/api";

/** What a cluster has that can be scraped. */
export interface Discovered {
  readonly nodes: readonly Node[];
  readonly slices: readonly EndpointSlice[];
  readonly pods: readonly Pod[];
}

/** One group of `static_configs`. */
export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** One of `kubernetes_sd_configs`, as far as we use it. */
export interface Discovery {
  readonly role: string;
  readonly namespaces?: { readonly names?: readonly string[] };
}

const META = "__meta_kubernetes";

/**
 * What Prometheus' own Kubernetes discovery would find now, with the labels that our relabelling reads: for builds without
 * it, as Debian's.
 */
export function targetsOf({ role, namespaces }: Discovery, found: Discovered): TargetGroup[] {
  const inScope = (namespace: string): boolean => namespaces?.names?.includes(namespace) ?? true;
  switch (role) {
    case "node":
      return found.nodes.flatMap(nodeTarget);
    case "endpointslice":
      return found.slices.filter(({ metadata }) => inScope(metadata.namespace ?? "")).flatMap(sliceTargets);
    case "pod":
      return found.pods.filter(({ metadata }) => inScope(metadata.namespace ?? "")).flatMap(podTargets);
    default:
      return [];
  }
}

function nodeTarget({ metadata, status }: Node): TargetGroup[] {
  const address = status?.addresses?.find((one) => one.type === "InternalIP")?.address;
  const port = status?.daemonEndpoints?.kubeletEndpoint?.Port;
  if (address === undefined || port === undefined) return [];
  const labels = { instance: metadata.name, [`${META}_node_name`]: metadata.name };
  return [{ targets: [`${address}:${port}`], labels }];
}

function sliceTargets({ metadata, endpoints, ports }: EndpointSlice): TargetGroup[] {
  const slice = {
    [`${META}_namespace`]: metadata.namespace ?? "",
    [`${META}_endpointslice_name`]: metadata.name,
    [`${META}_service_name`]: metadata.labels?.["kubernetes.io/service-name"] ?? "",
  };
  return (endpoints ?? []).flatMap(({ addresses, targetRef }) =>
    (ports ?? []).flatMap(({ name = "", port }) =>
      (addresses ?? []).map((address) => ({
        targets: [`${address}:${port}`],
        labels: {
          ...slice,
          [`${META}_endpointslice_port_name`]: name,
          [`${META}_endpointslice_address_target_name`]: targetRef?.name ?? "",
        },
      })),
    ),
  );
}

function podTargets({ metadata, spec, status }: Pod): TargetGroup[] {
  const address = status?.podIP ?? "";
  if (address === "") return [];
  const pod: Record<string, string> = {
    [`${META}_namespace`]: metadata.namespace ?? "",
    [`${META}_pod_name`]: metadata.name,
    [`${META}_pod_ip`]: address,
    [`${META}_pod_phase`]: status?.phase ?? "",
    [`${META}_pod_node_name`]: spec.nodeName ?? "",
  };
  for (const [name, value] of Object.entries(metadata.annotations ?? {})) {
    pod[`${META}_pod_annotation_${name.replaceAll(/[^a-zA-Z0-9_]/g, "_")}`] = value;
  }
  return spec.containers.flatMap((container) => {
    const labels = { ...pod, [`${META}_pod_container_name`]: container.name };
    const ports = (container.ports ?? []).map(({ containerPort }) => `${address}:${containerPort}`);
    return (ports.length === 0 ? [address] : ports).map((target) => ({ targets: [target], labels }));
  });
}
