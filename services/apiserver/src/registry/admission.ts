import {
  type KubeObject,
  type Namespace,
  type PersistentVolumeClaim,
  type Pod,
  type Resource,
  type ServiceAccount,
  type StorageClass,
  type Toleration,
  defaultClassOf,
} from "@trireme/api";
import { nameSuffix } from "./metadata.ts";
import { withServiceAccount } from "./pod-account.ts";

/**
 * How long a pod that says nothing of it stays on a node that is not ready or not reachable (a cluster setting;
 * Kubernetes' own default is 300 s, which keeps a dead node's pods for five minutes).
 */
export const DEFAULT_TOLERATION_SECONDS = 5;

/** Keeps a claim while a pod uses it, and a volume while it is bound (Kubernetes' StorageObjectInUseProtection). */
const CLAIM_PROTECTION = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION = "kubernetes.io/pv-protection";

/** What admission looks at besides the object. */
export interface AdmissionFacts {
  /** Lists the StorageClasses. */
  readonly classes: () => readonly StorageClass[];
  /** A new pod's account. */
  readonly account?: ServiceAccount | undefined;
}

/** The account of pods that name none. */
export const DEFAULT_ACCOUNT = "default";

/** What the server adds to new objects beyond the defaults of their kind. */
export function admitNew(resource: Resource, object: KubeObject, { classes, account }: AdmissionFacts): KubeObject {
  switch (resource.resource) {
    case "pods": {
      const pod = admitPod(object as Pod);
      return account === undefined ? pod : withServiceAccount(pod, account, nameSuffix());
    }
    case "namespaces":
      return admitNamespace(object as Namespace);
    case "persistentvolumes":
      return { ...withFinalizer(object, VOLUME_PROTECTION), status: { phase: "Pending" } } as KubeObject;
    case "persistentvolumeclaims":
      return admitClaim(object as PersistentVolumeClaim, classes);
    default:
      return withoutStatus(resource, object);
  }
}

/** A claim that names no class gets the default one, if there is one; `""` asks for none. */
function admitClaim(claim: PersistentVolumeClaim, classes: () => readonly StorageClass[]): KubeObject {
  const protectedClaim = withFinalizer(claim, CLAIM_PROTECTION);
  const name = claim.spec?.storageClassName ?? defaultClassOf(classes())?.metadata.name;
  const spec = { ...claim.spec, ...(name === undefined ? {} : { storageClassName: name }) };
  return { ...protectedClaim, spec, status: { phase: "Pending" } } as KubeObject;
}

function withFinalizer(object: KubeObject, finalizer: string): KubeObject {
  const finalizers = [...new Set([...(object.metadata.finalizers ?? []), finalizer])];
  return { ...object, metadata: { ...object.metadata, finalizers } };
}

/** A new object's status is its controller's to write; one that came with the manifest is dropped, as in Kubernetes. */
function withoutStatus(resource: Resource, object: KubeObject): KubeObject {
  // A node registers itself whole: its agent is its controller.
  if (resource.resource === "nodes" || !resource.subresources.some((one) => one.name === "status")) return object;
  const { status: _, ...rest } = object as KubeObject & { status?: unknown };
  return rest;
}

function admitPod(pod: Pod): Pod {
  const spec = { ...pod.spec! };
  spec.serviceAccountName ||= DEFAULT_ACCOUNT;
  const tolerations: Toleration[] = [...(spec.tolerations ?? [])];
  for (const key of ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]) {
    if (tolerations.some((one) => tolerates(one, key))) continue;
    tolerations.push({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: DEFAULT_TOLERATION_SECONDS });
  }
  spec.tolerations = tolerations;
  return { ...pod, spec, status: { phase: "Pending", qosClass: qosClassOf(pod) } } as Pod;
}

function tolerates(toleration: Toleration, key: string): boolean {
  if ((toleration.effect ?? "") !== "" && toleration.effect !== "NoExecute") return false;
  return toleration.key === key || ((toleration.key ?? "") === "" && toleration.operator === "Exists");
}

/** Guaranteed when every container's limits of CPU and memory equal its requests, BestEffort when there are none. */
export function qosClassOf(pod: Pod): "Guaranteed" | "Burstable" | "BestEffort" {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  let isGuaranteed = true;
  let hasAny = false;
  for (const { resources } of containers) {
    for (const name of ["cpu", "memory"]) {
      const limit = resources?.limits?.[name];
      const request = resources?.requests?.[name] ?? limit;
      if (limit !== undefined || request !== undefined) hasAny = true;
      if (limit === undefined || String(limit) !== String(request)) isGuaranteed = false;
    }
  }
  if (!hasAny) return "BestEffort";
  return isGuaranteed ? "Guaranteed" : "Burstable";
}

function admitNamespace(namespace: Namespace): KubeObject {
  const name = namespace.metadata.name!;
  const labels = { ...namespace.metadata.labels, "kubernetes.io/metadata.name": name };
  return {
    ...namespace,
    metadata: { ...namespace.metadata, labels },
    spec: { ...namespace.spec, finalizers: ["kubernetes"] },
    status: { phase: "Active" },
  } as KubeObject;
}
