import { type Resource, SERVED_RESOURCES, type Subresource, apiVersionOf } from "./resources.ts";

/** The media type that answers a request for aggregated discovery; clients compare it letter by letter. */
export const AGGREGATED_DISCOVERY_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

interface GroupVersion {
  readonly group: string;
  readonly version: string;
  readonly resources: readonly Resource[];
}

const GROUP_VERSIONS: readonly GroupVersion[] = [...new Set(SERVED_RESOURCES.map(apiVersionOf))].map((apiVersion) => {
  const resources = SERVED_RESOURCES.filter((resource) => apiVersionOf(resource) === apiVersion);
  const { group, version } = resources[0]!;
  return { group, version, resources };
});

/** Versions of the same group, the preferred one first. */
const GROUPS = Map.groupBy(GROUP_VERSIONS, ({ group }) => group);

/** The aggregated discovery document (`APIGroupDiscoveryList` v2) of `/api` (core) or `/apis` (groups). */
export function aggregatedDiscovery(root: "/api" | "/apis"): Record<string, unknown> {
  const groups = [...GROUPS].filter(([group]) => (group === "") === (root === "/api"));
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: "apidiscovery.k8s.io/v2",
    metadata: {},
    items: groups.map(([group, versions]) => ({
      metadata: group === "" ? {} : { name: group },
      versions: versions.map(({ version, resources }) => ({
        version,
        resources: resources.map(discoveryOf),
        freshness: "Current",
      })),
    })),
  };
}

function discoveryOf(resource: Resource): Record<string, unknown> {
  return {
    resource: resource.resource,
    responseKind: responseKind(resource),
    scope: resource.namespaced ? "Namespaced" : "Cluster",
    singularResource: resource.singular,
    verbs: resource.verbs,
    ...(resource.shortNames.length > 0 ? { shortNames: resource.shortNames } : {}),
    ...(resource.categories.length > 0 ? { categories: resource.categories } : {}),
    ...(resource.subresources.length > 0
      ? {
          subresources: resource.subresources.map((sub) => ({
            subresource: sub.name,
            responseKind: responseKind(sub),
            verbs: sub.verbs,
          })),
        }
      : {}),
  };
}

function responseKind({ group, version, kind }: Resource | Subresource): Record<string, string> {
  return { group, version, kind };
}

/** The `APIVersions` document of `/api`. */
export function apiVersions(): Record<string, unknown> {
  const versions = GROUP_VERSIONS.filter(({ group }) => group === "").map(({ version }) => version);
  return { kind: "APIVersions", versions, serverAddressByClientCIDRs: [] };
}

/** The `APIGroupList` document of `/apis`. */
export function apiGroupList(): Record<string, unknown> {
  const groups = [...GROUPS.values()].filter(([gv]) => gv!.group !== "").map(groupOf);
  return { kind: "APIGroupList", apiVersion: "v1", groups };
}

/** The `APIGroup` document of `/apis/<group>`, undefined when it is not served. */
export function apiGroup(group: string): Record<string, unknown> | undefined {
  const found = group === "" ? undefined : GROUPS.get(group);
  return found === undefined ? undefined : { kind: "APIGroup", apiVersion: "v1", ...groupOf(found) };
}

function groupOf(of: readonly GroupVersion[]): Record<string, unknown> {
  const versions = of.map((gv) => ({ groupVersion: apiVersionOf(gv), version: gv.version }));
  return { name: of[0]!.group, versions, preferredVersion: versions[0] };
}

/** The `APIResourceList` of one group ("" is core) and version, undefined when it is not served. */
export function apiResourceList(group: string, version: string): Record<string, unknown> | undefined {
  const found = GROUP_VERSIONS.find((gv) => gv.group === group && gv.version === version);
  if (found === undefined) return undefined;
  const resources = found.resources.flatMap((resource) => {
    const { resource: name, singular: singularName, namespaced, kind, verbs, shortNames, categories } = resource;
    const own = {
      name,
      singularName,
      namespaced,
      kind,
      verbs,
      ...(shortNames.length > 0 ? { shortNames } : {}),
      ...(categories.length > 0 ? { categories } : {}),
    };
    const subresources = resource.subresources.map((sub) => ({
      name: `${name}/${sub.name}`,
      singularName: "",
      namespaced,
      // Named only where it differs from the list's own group and version.
      ...(sub.group === group && sub.version === version ? {} : { group: sub.group, version: sub.version }),
      kind: sub.kind,
      verbs: sub.verbs,
    }));
    return [own, ...subresources];
  });
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion: apiVersionOf(found), resources };
}

/** Every group and version served, core first. */
export function groupVersions(): readonly { readonly group: string; readonly version: string }[] {
  return GROUP_VERSIONS.map(({ group, version }) => ({ group, version }));
}
