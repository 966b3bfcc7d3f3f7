import type { StorageClass } from "./kinds.ts";

/** The annotations by which a class is the default one; the second is of the time before v1. */
const IS_DEFAULT = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/** Whether claims that name no class get this one. */
export function isDefaultClass({ metadata }: StorageClass): boolean {
  return IS_DEFAULT.some((key) => metadata.annotations?.[key] === "true");
}

/** The class of claims that name none. Of several it is the newest, then the first by name, as in Kubernetes. */
export function defaultClassOf(classes: readonly StorageClass[]): StorageClass | undefined {
  const created = ({ metadata }: StorageClass): string => metadata.creationTimestamp ?? "";
  return classes.filter(isDefaultClass).toSorted((a, b) => {
    if (created(a) !== created(b)) return created(a) > created(b) ? -1 : 1;
    return a.metadata.name < b.metadata.name ? -1 : 1;
  })[0];
}

/** The provisioner of the built-in class: a directory of the node that the scheduler chose. */
export const LOCAL_PATH_PROVISIONER = "trireme.dev/local-path";
/** Keeps a volume of that provisioner until the agent of its node has removed its directory. */
export const LOCAL_PATH_FINALIZER = "trireme.dev/local-path";
/** Annotation of a Node: the directory below which such volumes are. */
export const LOCAL_PATH_ROOT = "trireme.dev/local-path-root";
/** Label of such a volume, and of a Node: the node that has it. */
export const HOSTNAME_LABEL = "kubernetes.io/hostname";
/** Annotation of a claim: the node that the scheduler chose for its first consumer. */
export const SELECTED_NODE = "volume.kubernetes.io/selected-node";
/** The provisioner of classes whose volumes an administrator makes. */
export const NO_PROVISIONER = "kubernetes.io/no-provisioner";
