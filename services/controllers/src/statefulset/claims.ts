import {
  type OwnerReference,
  type PersistentVolumeClaim,
  type Pod,
  STATEFULSETS,
  type StatefulSet,
  type Volume,
  apiVersionOf,
} from "@trireme/api";

/** The claims of one of a set's pods, as they are first made: named by template, set and ordinal, so they are found again. */
export function claimsOf(set: StatefulSet, ordinal: number): PersistentVolumeClaim[] {
  return (set.spec.volumeClaimTemplates ?? []).map(({ metadata, spec }) => {
    const { labels, annotations } = metadata;
    return {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: {
        name: claimName(set, metadata.name, ordinal),
        namespace: set.metadata.namespace ?? "",
        labels: { ...labels, ...set.spec.selector.matchLabels },
        ...(annotations === undefined ? {} : { annotations }),
      },
      spec,
    };
  });
}

/** The volumes of one of a set's pods: a claim takes the place of the template's volume of its name. */
export function volumesOf(set: StatefulSet, volumes: readonly Volume[], ordinal: number): Volume[] {
  const templates = set.spec.volumeClaimTemplates ?? [];
  const names = new Set(templates.map(({ metadata }) => metadata.name));
  return [
    ...templates.map(({ metadata: { name } }) => ({
      name,
      persistentVolumeClaim: { claimName: claimName(set, name, ordinal) },
    })),
    ...volumes.filter(({ name }) => !names.has(name)),
  ];
}

function claimName({ metadata }: StatefulSet, template: string, ordinal: number): string {
  return `${template}-${metadata.name}-${ordinal}`;
}

/**
 * The owners that a claim shall have by the set's persistentVolumeClaimRetentionPolicy: the garbage collector removes it
 * with the set, or with the pod that is scaled away. Undefined: those that it has.
 */
export function ownersOf(
  set: StatefulSet,
  pod: Pod,
  isCondemned: boolean,
  claim: PersistentVolumeClaim,
): OwnerReference[] | undefined {
  const { whenDeleted = "Retain", whenScaled = "Retain" } = set.spec.persistentVolumeClaimRetentionPolicy ?? {};
  const byPod = isCondemned && whenScaled === "Delete";
  const wanted: OwnerReference[] = [];
  if (byPod) wanted.push({ apiVersion: "v1", kind: "Pod", name: pod.metadata.name, uid: pod.metadata.uid ?? "" });
  else if (whenDeleted === "Delete") {
    const { name, uid = "" } = set.metadata;
    wanted.push({ apiVersion: apiVersionOf(STATEFULSETS), kind: STATEFULSETS.kind, name, uid });
  }
  const present = claim.metadata.ownerReferences ?? [];
  const isOurs = ({ kind, name }: OwnerReference): boolean =>
    (kind === STATEFULSETS.kind && name === set.metadata.name) || (kind === "Pod" && name === pod.metadata.name);
  const ours = present.filter(isOurs);
  if (ours.map(({ uid }) => uid).join() === wanted.map(({ uid }) => uid).join()) return undefined;
  return [...present.filter((one) => !isOurs(one)), ...wanted];
}
