/** Where the API has the kinds that tests look into, by their plural. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  "/api/v1": ["configmaps", "events", "pods", "secrets", "services", "persistentvolumeclaims"],
  "/apis/apps/v1": ["deployments", "replicasets", "statefulsets"],
  "/apis/autoscaling/v2": ["horizontalpodautoscalers"],
  "/apis/batch/v1": ["cronjobs", "jobs"],
  "/apis/coordination.k8s.io/v1": ["leases"],
  "/apis/policy/v1": ["poddisruptionbudgets"],
};
const OF_NO_NAMESPACE: readonly string[] = ["nodes", "persistentvolumes"];
const SHORT: Readonly<Record<string, string>> = {
  hpa: "horizontalpodautoscalers",
  pdb: "poddisruptionbudgets",
  pv: "persistentvolumes",
  pvc: "persistentvolumeclaims",
};

/**
 * The paths that `kubectl get` asks for its arguments, one for each kind: `KIND[,KIND...] [NAME]`, with `-n`, `-A`, `-l`
 * and `--field-selector`. Throws for what it does not know.
 */
export function objectPaths(args: readonly string[]): string[] {
  const [kinds = "", ...rest] = args;
  const name = rest[0]?.startsWith("-") === false ? rest.shift() : undefined;
  let namespace: string | undefined = "default";
  const query = new URLSearchParams();
  while (rest.length > 0) {
    const flag = rest.shift()!;
    const value = (): string => rest.shift() ?? "";
    if (flag === "-A") namespace = undefined;
    else if (flag === "-n") namespace = value();
    else if (flag === "-l") query.set("labelSelector", value());
    else if (flag === "--field-selector") query.set("fieldSelector", value());
    else throw new Error(`${flag}: no such flag here`);
  }
  const selected = query.size === 0 ? "" : `?${query.toString()}`;
  return kinds.split(",").map((kind) => {
    const plural = SHORT[kind] ?? (kind.endsWith("s") ? kind : `${kind}s`);
    return `${collectionOf(plural, namespace)}${name === undefined ? "" : `/${name}`}${selected}`;
  });
}

function collectionOf(plural: string, namespace: string | undefined): string {
  if (OF_NO_NAMESPACE.includes(plural)) return `/api/v1/${plural}`;
  const group = Object.keys(GROUPS).find((one) => GROUPS[one]!.includes(plural));
  if (group === undefined) throw new Error(`${plural}: not among the kinds that tests look into`);
  return namespace === undefined ? `${group}/${plural}` : `${group}/namespaces/${namespace}/${plural}`;
}
