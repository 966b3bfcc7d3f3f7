import {
  Condition,
  DeleteOptions,
  LabelSelector,
  LabelSelectorRequirement,
  ManagedFieldsEntry,
  ObjectMeta,
  OwnerReference,
  Scale,
  ScaleSpec,
  ScaleStatus,
} from "../../kinds.ts";
import { type Text, text } from "./text.ts";

/** Texts about what every object has, and about scaling. */
export const META_TEXTS: readonly Text[] = [
  text(ObjectMeta, "What every object has: its name, its labels, and what the server records of it.", {
    name: "The object's name, unique among its kind in its namespace. It never changes.",
    generateName: "A prefix from which the server makes a name when none is given.",
    namespace: "The namespace that the object lives in. It never changes.",
    uid: "Tells this object from earlier and later ones of the same name. Set by the server.",
    resourceVersion: "The revision of the last change. Send it back to make a write fail if others wrote meanwhile.",
    generation: "Counts changes of the wanted state; status tells which of them it speaks of.",
    creationTimestamp: "When the object was created. Set by the server.",
    deletionTimestamp: "When the object will be, or was due to be, removed. Set by the server on a delete request.",
    deletionGracePeriodSeconds: "Seconds that the object has to end by itself. Set together with deletionTimestamp.",
    labels: "Names and values by which selectors find the object.",
    annotations: "Names and values for tools and people; nothing selects by them.",
    ownerReferences: "Objects that this one depends on: when all of them are gone, it is removed as well.",
    finalizers: "Who has to act before the object is removed. It stays, marked as deleted, until the list is empty.",
    managedFields: "Who set which field, for server-side apply. Written by the server.",
    selfLink: "Unused.",
  }),
  text(OwnerReference, "An object that another one depends on.", {
    apiVersion: "The owner's API version.",
    kind: "The owner's kind.",
    name: "The owner's name.",
    uid: "The owner's uid: a later object of the same name is not the owner.",
    controller: "Whether this owner is the one that manages the object.",
    blockOwnerDeletion: "Whether a foreground deletion of the owner waits for this object.",
  }),
  text(ManagedFieldsEntry, "Which fields one manager set by one kind of write.", {
    manager: "Who wrote.",
    operation: "Apply or Update.",
    time: "When the manager last changed its fields.",
    fieldsV1: "The fields, as a tree of names.",
    apiVersion: "The version in which its fields are named.",
    fieldsType: "FieldsV1.",
    subresource: "By which subresource, such as status.",
  }),
  text(LabelSelector, "Selects objects by their labels; all of its parts must hold. An empty one selects everything.", {
    matchLabels: "Labels that an object must have, with exactly these values.",
    matchExpressions: "Requirements beyond equality.",
  }),
  text(LabelSelectorRequirement, "A requirement on one label.", {
    key: "The label.",
    operator: "In, NotIn, Exists or DoesNotExist.",
    values: "The values for In and NotIn.",
  }),
  text(Condition, "One aspect of an object's state.", {
    type: "The aspect, such as Ready.",
    status: "True, False or Unknown.",
    reason: "Why, in one word for programs.",
    message: "Why, in a sentence for people.",
    lastTransitionTime: "When the status last changed.",
    observedGeneration: "The generation that the condition speaks of.",
  }),
  text(DeleteOptions, "How to delete an object.", {
    gracePeriodSeconds: "Seconds to end in; 0 removes the object at once.",
    propagationPolicy: "What becomes of dependents: Background, Foreground or Orphan.",
    preconditions: "What must hold of the object for the deletion to happen.",
    dryRun: "With All, nothing is stored.",
  }),
  text(Scale, "How many replicas an object wants and has.", {
    spec: "The wanted number.",
    status: "The number that there is.",
  }),
  text(ScaleSpec, "The wanted scale.", { replicas: "The wanted number of replicas." }),
  text(ScaleStatus, "The current scale.", {
    replicas: "The number of replicas that exist.",
    selector: "The label selector of the replicas, as text.",
  }),
];
