import {
  Deployment,
  DeploymentCondition,
  DeploymentSpec,
  DeploymentStatus,
  DeploymentStrategy,
  ReplicaSet,
  ReplicaSetSpec,
  ReplicaSetStatus,
  RollingUpdateDeployment,
} from "../../kinds.ts";
import { type Text, text } from "./text.ts";

/** Texts about Deployments and ReplicaSets. */
export const WORKLOAD_TEXTS: readonly Text[] = [
  text(
    Deployment,
    "Keeps a number of identical Pods running and replaces them step by step when their template changes.",
    {
      spec: "What is wanted.",
      status: "What is.",
    },
  ),
  text(DeploymentSpec, "What a Deployment wants.", {
    replicas: "How many Pods to run; 1 unless given.",
    selector: "Labels of the Pods that belong to it. They must be in the template, and never change.",
    template: "The Pods to make.",
    strategy: "How old Pods make room for new ones.",
    minReadySeconds: "Seconds that a new Pod must be ready for before it counts as available.",
    revisionHistoryLimit: "How many old ReplicaSets to keep for a rollback; 10 unless given.",
    paused: "While set, changes of the template are not rolled out.",
    progressDeadlineSeconds: "Seconds without progress after which the rollout counts as failed; 600 unless given.",
  }),
  text(DeploymentStrategy, "How old Pods make room for new ones.", {
    type: "RollingUpdate replaces them step by step, Recreate removes all old ones first.",
    rollingUpdate: "The size of the steps, for RollingUpdate.",
  }),
  text(RollingUpdateDeployment, "The size of the steps of a rolling update.", {
    maxUnavailable:
      "How many of the wanted Pods may be missing meanwhile: a number, or a percentage rounded down; 25% unless given.",
    maxSurge:
      "How many Pods there may be beyond the wanted number: a number, or a percentage rounded up; 25% unless given.",
  }),
  text(DeploymentStatus, "What a Deployment has reached.", {
    observedGeneration: "The generation that this status speaks of.",
    replicas: "Pods that exist, of any template.",
    updatedReplicas: "Pods of the newest template.",
    readyReplicas: "Pods that are ready.",
    availableReplicas: "Pods that have been ready for minReadySeconds.",
    unavailableReplicas: "Pods that are missing until all wanted ones are available.",
    conditions: "Available: enough Pods are. Progressing: the rollout moves, or is done.",
    collisionCount: "How often a ReplicaSet's name was taken.",
    terminatingReplicas: "Pods that are ending.",
  }),
  text(DeploymentCondition, "One aspect of a Deployment's state.", {
    type: "Available, Progressing or ReplicaFailure.",
    status: "True, False or Unknown.",
    reason: "Why, in one word for programs.",
    message: "Why, in a sentence for people.",
    lastUpdateTime: "When the condition was last written.",
    lastTransitionTime: "When its status last changed.",
  }),
  text(ReplicaSet, "Keeps a number of identical Pods running. Most are made by Deployments.", {
    spec: "What is wanted.",
    status: "What is.",
  }),
  text(ReplicaSetSpec, "What a ReplicaSet wants.", {
    replicas: "How many Pods to run; 1 unless given.",
    selector: "Labels of the Pods that belong to it. They must be in the template, and never change.",
    template: "The Pods to make.",
    minReadySeconds: "Seconds that a new Pod must be ready for before it counts as available.",
  }),
  text(ReplicaSetStatus, "What a ReplicaSet has reached.", {
    replicas: "Pods that exist.",
    fullyLabeledReplicas: "Pods that have all labels of the template.",
    readyReplicas: "Pods that are ready.",
    availableReplicas: "Pods that have been ready for minReadySeconds.",
    observedGeneration: "The generation that this status speaks of.",
    conditions: "What is true of it, or not.",
    terminatingReplicas: "Pods that are ending.",
  }),
];
