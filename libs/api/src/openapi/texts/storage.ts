import {
  LocalVolumeSource,
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PersistentVolumeClaimStatus,
  PersistentVolumeSpec,
  PersistentVolumeStatus,
  StorageClass,
  VolumeNodeAffinity,
  VolumeResourceRequirements,
} from "../../kinds.ts";
import { type Text, text } from "./text.ts";

/** Texts about storage that outlives pods. */
export const STORAGE_TEXTS: readonly Text[] = [
  text(PersistentVolume, "Storage that lives longer than the Pods that use it.", {
    spec: "What it is.",
    status: "Whether it is bound.",
  }),
  text(PersistentVolumeSpec, "What a PersistentVolume is.", {
    capacity: "What it holds; only storage counts.",
    accessModes: "How it may be mounted: ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod.",
    claimRef: "The claim that it is bound to, or kept for.",
    persistentVolumeReclaimPolicy:
      "What becomes of it when its claim is deleted: Retain keeps the data, Delete removes it.",
    storageClassName: "Its class; only claims of this class get it.",
    volumeMode: "Filesystem or Block; Filesystem unless given.",
    nodeAffinity: "The nodes that can reach it: Pods that use it run there.",
    mountOptions: "Options of its mount.",
    hostPath: "A directory of whichever node the Pod runs on: for tests on one node.",
    local: "A directory or disk of one node; needs nodeAffinity.",
  }),
  text(LocalVolumeSource, "A directory or disk of one node.", {
    path: "Its path on the node.",
    fsType: "The file system, if it has to be mounted.",
  }),
  text(VolumeNodeAffinity, "Which nodes can reach a volume.", { required: "What a node must be." }),
  text(PersistentVolumeStatus, "Where a PersistentVolume is in its life.", {
    phase: "Available, Bound, Released after its claim is gone, or Failed.",
    message: "Why, in a sentence.",
    reason: "Why, in one word.",
    lastPhaseTransitionTime: "Since when it is in this phase.",
  }),
  text(PersistentVolumeClaim, "What somebody asks of storage; Pods name it as a volume.", {
    spec: "What is asked for.",
    status: "What was got.",
  }),
  text(PersistentVolumeClaimSpec, "What a claim asks for.", {
    accessModes: "How it is to be mounted.",
    resources: "How much: requests.storage.",
    selector: "Labels of the volumes that will do; then none is made for it.",
    storageClassName: 'The class that makes its volume; the default class unless given, none when "".',
    volumeMode: "Filesystem or Block; Filesystem unless given.",
    volumeName: "The volume that it is bound to. Written by the cluster, or by whoever wants one of that name.",
  }),
  text(VolumeResourceRequirements, "How much storage.", { requests: "At least so much.", limits: "Not looked at." }),
  text(PersistentVolumeClaimStatus, "What a claim got.", {
    phase: "Pending, Bound, or Lost when its volume has vanished.",
    accessModes: "How its volume may be mounted.",
    capacity: "What its volume holds.",
    conditions: "What is true of it, or not.",
  }),
  text(StorageClass, "How volumes for claims come about.", {
    provisioner: "Who makes them; kubernetes.io/no-provisioner when an administrator does.",
    parameters: "What the provisioner is told.",
    reclaimPolicy: "The reclaim policy of its volumes; Delete unless given.",
    mountOptions: "The mount options of its volumes.",
    allowVolumeExpansion: "Whether its claims may grow.",
    volumeBindingMode:
      "Immediate, or WaitForFirstConsumer: only when a Pod that uses the claim was given a node. Immediate unless given.",
    allowedTopologies: "The nodes on which volumes may be made.",
  }),
];
