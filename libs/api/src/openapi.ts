/** The index `/openapi/v3`: each group-version's document and a hash by which clients cache it. */
export function openApiV3Index(): Record<string, unknown> {
  return { paths: {} };
}

/** The OpenAPI v3 document of `api/v1` or `apis/<group>/<version>`, undefined when it is not served. */
export function openApiV3(groupVersion: string): Record<string, unknown> | undefined {
  void groupVersion;
  return undefined;
}
