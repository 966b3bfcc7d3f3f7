import type { ConfigMap, Event, Lease, Namespace, Node, Secret, ServiceAccount } from "../kinds.ts";
import { humanAge } from "./age.ts";
import { AGE, NAME, count, orNone, printer, text, wide } from "./column.ts";

/** Prints kinds that have no columns of their own. */
export const plainPrinter = printer([NAME, AGE]);

/** Prints Namespaces. */
export const namespacePrinter = printer<Namespace>([
  NAME,
  text("Status", "Active, or Terminating while it is emptied.", ({ status }: Namespace) => status?.phase ?? ""),
  AGE,
]);

/** Prints ConfigMaps. */
export const configMapPrinter = printer<ConfigMap>([
  NAME,
  count("Data", "Number of its entries.", ({ data, binaryData }: ConfigMap) => sizeOf(data) + sizeOf(binaryData)),
  AGE,
]);

/** Prints Secrets: never a value, not even its length. */
export const secretPrinter = printer<Secret>([
  NAME,
  text("Type", "What the Secret is for.", ({ type }: Secret) => type ?? "Opaque"),
  count("Data", "Number of its entries.", ({ data }: Secret) => sizeOf(data)),
  AGE,
]);

/** Prints ServiceAccounts. */
export const serviceAccountPrinter = printer<ServiceAccount>([
  NAME,
  count("Secrets", "Number of its secrets.", ({ secrets }: ServiceAccount) => secrets?.length ?? 0),
  AGE,
]);

/** Prints Leases. */
export const leasePrinter = printer<Lease>([
  NAME,
  text("Holder", "Who holds it.", ({ spec }: Lease) => spec?.holderIdentity ?? ""),
  AGE,
]);

const ROLE_PREFIX = "node-role.kubernetes.io/";

function nodeStatus({ spec, status }: Node): string {
  const ready = status?.conditions?.find((c) => c.type === "Ready");
  const word = ready === undefined ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady";
  return spec?.unschedulable ? `${word},SchedulingDisabled` : word;
}

function nodeRoles({ metadata }: Node): string {
  const labels = metadata.labels ?? {};
  const roles = Object.keys(labels)
    .filter((key) => key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length)
    .map((key) => key.slice(ROLE_PREFIX.length));
  const legacy = labels["kubernetes.io/role"];
  if (legacy) roles.push(legacy);
  return orNone([...new Set(roles)].toSorted().join(","));
}

const address = (type: string) => (node: Node) =>
  orNone(node.status?.addresses?.find((entry) => entry.type === type)?.address);

/** Prints Nodes. */
export const nodePrinter = printer<Node>([
  NAME,
  text("Status", "Whether it is ready and takes new Pods.", nodeStatus),
  text("Roles", "Its roles, from its labels.", nodeRoles),
  AGE,
  text("Version", "The version of its agent.", ({ status }: Node) => status?.nodeInfo?.kubeletVersion ?? ""),
  wide(text("Internal-IP", "Its address inside the cluster.", address("InternalIP"))),
  wide(text("External-IP", "Its address outside the cluster.", address("ExternalIP"))),
  wide(text("OS-Image", "Its operating system.", ({ status }: Node) => status?.nodeInfo?.osImage || "<unknown>")),
  wide(text("Kernel-Version", "Its kernel.", ({ status }: Node) => status?.nodeInfo?.kernelVersion || "<unknown>")),
  wide(
    text("Container-Runtime", "What runs its containers.", ({ status }: Node) => {
      return status?.nodeInfo?.containerRuntimeVersion || "<unknown>";
    }),
  ),
]);

const firstSeen = (event: Event, now: number): string => humanAge(event.firstTimestamp ?? event.eventTime, now);

function lastSeen(event: Event, now: number): string {
  const last = event.series?.lastObservedTime ?? event.lastTimestamp;
  return last === undefined ? firstSeen(event, now) : humanAge(last, now);
}

function eventSource({ source, reportingComponent, reportingInstance }: Event): string {
  const component = source?.component || reportingComponent || "";
  const host = source?.host || reportingInstance || "";
  return host === "" ? component : `${component}, ${host}`;
}

/** Prints Events. */
export const eventPrinter = printer<Event>([
  text("Last Seen", "When it was last seen.", lastSeen),
  text("Type", "Normal or Warning.", ({ type }: Event) => type ?? ""),
  text("Reason", "Why, in one word.", ({ reason }: Event) => reason ?? ""),
  text("Object", "What it is about.", ({ involvedObject: o }: Event) => {
    return `${(o.kind ?? "").toLowerCase()}/${o.name ?? ""}`;
  }),
  wide(text("Subobject", "Which part of the object.", ({ involvedObject }: Event) => involvedObject.fieldPath ?? "")),
  wide(text("Source", "Who reports it.", eventSource)),
  text("Message", "What happened, in a sentence.", ({ message }: Event) => (message ?? "").trim()),
  wide(text("First Seen", "When it was first seen.", firstSeen)),
  wide(count("Count", "How often it was seen.", ({ series, count: n }: Event) => series?.count ?? n ?? 1)),
  wide({ ...text("Name", "The event's own name.", (event: Event) => event.metadata.name), format: "name" }),
]);

function sizeOf(map: object | undefined): number {
  return Object.keys(map ?? {}).length;
}
