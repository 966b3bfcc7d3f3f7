import {
  ControllerRevision,
  DaemonSet,
  DaemonSetSpec,
  DaemonSetStatus,
  RollingUpdateDaemonSet,
  RollingUpdateStatefulSetStrategy,
  StatefulSet,
  StatefulSetSpec,
  StatefulSetStatus,
} from "../../kinds.ts";
import { type Text, text } from "./text.ts";

/** Texts about DaemonSets and StatefulSets. */
export const SET_TEXTS: readonly Text[] = [
  text(DaemonSet, "Runs one Pod on each node that it fits.", { spec: "What is wanted.", status: "What is." }),
  text(DaemonSetSpec, "What a DaemonSet wants.", {
    selector: "Labels of the Pods that belong to it. They must be in the template, and never change.",
    template: "The Pods to make. Its node selector and affinity choose the nodes.",
    updateStrategy: "RollingUpdate replaces old Pods step by step, OnDelete only those that you delete.",
    minReadySeconds: "Seconds that a new Pod must be ready for before it counts as available.",
    revisionHistoryLimit: "How many old revisions to keep; 10 unless given.",
  }),
  text(RollingUpdateDaemonSet, "The size of the steps of a rolling update.", {
    maxUnavailable: "How many nodes may be without an available Pod: a number or a percentage; 1 unless given.",
    maxSurge: "How many nodes may have an old and a new Pod at once.",
  }),
  text(DaemonSetStatus, "What a DaemonSet has reached.", {
    desiredNumberScheduled: "Nodes that should run a Pod.",
    currentNumberScheduled: "Nodes of these that have one.",
    numberMisscheduled: "Nodes that have one and should not.",
    numberReady: "Nodes whose Pod is ready.",
    numberAvailable: "Nodes whose Pod has been ready for minReadySeconds.",
    numberUnavailable: "Nodes that should have an available Pod and have not.",
    updatedNumberScheduled: "Nodes with a Pod of the newest template.",
    observedGeneration: "The generation that this status speaks of.",
    collisionCount: "How often a revision's name was taken.",
    conditions: "What is true of it, or not.",
  }),
  text(StatefulSet, "Runs Pods with names that stay: each has a number, a host name and its place in the order.", {
    spec: "What is wanted.",
    status: "What is.",
  }),
  text(StatefulSetSpec, "What a StatefulSet wants.", {
    replicas: "How many Pods to run; 1 unless given.",
    selector: "Labels of the Pods that belong to it. They must be in the template, and never change.",
    template: "The Pods to make.",
    serviceName: "The headless Service that gives each Pod a name in DNS.",
    podManagementPolicy: "OrderedReady starts and ends Pods one after another, Parallel all at once.",
    updateStrategy: "RollingUpdate replaces old Pods from the last to the first, OnDelete only those that you delete.",
    minReadySeconds: "Seconds that a new Pod must be ready for before it counts as available.",
    ordinals: "The number of the first Pod.",
    volumeClaimTemplates: "Claims that each Pod gets under its own name.",
    revisionHistoryLimit: "How many old templates are kept for an undo; 10 unless given.",
    persistentVolumeClaimRetentionPolicy:
      "Whether claims go with the set or with Pods that are too many: Retain unless given.",
  }),
  text(RollingUpdateStatefulSetStrategy, "How a rolling update goes.", {
    partition: "Pods with a lower number keep the old template.",
    maxUnavailable: "How many may be missing at once.",
  }),
  text(ControllerRevision, "A template that a set has, or had.", {
    data: "What of the set the revision remembers.",
    revision: "Its place in the order of revisions.",
  }),
  text(StatefulSetStatus, "What a StatefulSet has reached.", {
    replicas: "Pods that exist.",
    readyReplicas: "Pods that are ready.",
    availableReplicas: "Pods that have been ready for minReadySeconds.",
    currentReplicas: "Pods of the old template, or of the only one.",
    updatedReplicas: "Pods of the newest template.",
    currentRevision: "The revision of the old template.",
    updateRevision: "The revision of the newest template.",
    observedGeneration: "The generation that this status speaks of.",
    collisionCount: "How often a revision's name was taken.",
    conditions: "What is true of it, or not.",
  }),
];
