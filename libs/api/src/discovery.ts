/** The aggregated discovery document (`APIGroupDiscoveryList` v2) of `/api` (core) or `/apis` (groups). */
export function aggregatedDiscovery(root: "/api" | "/apis"): Record<string, unknown> {
  return { kind: "APIGroupDiscoveryList", apiVersion: "apidiscovery.k8s.io/v2", metadata: {}, items: [], root };
}

/** The `APIVersions` document of `/api`. */
export function apiVersions(): Record<string, unknown> {
  return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
}

/** The `APIGroupList` document of `/apis`. */
export function apiGroupList(): Record<string, unknown> {
  return { kind: "APIGroupList", apiVersion: "v1", groups: [] };
}

/** The `APIResourceList` of one group and version, undefined when it is not served. */
export function apiResourceList(group: string, version: string): Record<string, unknown> | undefined {
  void group;
  void version;
  return undefined;
}

/** The `APIGroup` document of `/apis/<group>`, undefined when it is not served. */
export function apiGroup(group: string): Record<string, unknown> | undefined {
  void group;
  return undefined;
}
