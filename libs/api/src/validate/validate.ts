import type { KubeObject, Resource } from "../resources.ts";
import type { Message } from "../schema/notation.ts";
import { validateAutoscaler } from "./autoscaling.ts";
import {
  validateConfigMap,
  validateConfigUpdate,
  validateEvent,
  validateLease,
  validateNamespace,
  validateNode,
  validateNodeUpdate,
  validateSecret,
  validateSecretUpdate,
} from "./core.ts";
import { validateCronJob, validateJob, validateJobUpdate } from "./batch.ts";
import { type FieldError, Problems } from "./field-error.ts";
import { validateMetadata, validateMetadataUpdate } from "./metadata.ts";
import { validatePodDisruptionBudget } from "./policy.ts";
import { validatePod, validatePodUpdate } from "./pod.ts";
import { validateBinding, validateBindingUpdate, validateClusterRole, validateRole } from "./rbac.ts";
import { validateEndpointSlice, validateService, validateServiceUpdate } from "./service.ts";
import {
  validateControllerRevisionUpdate,
  validateDaemonSet,
  validateStatefulSet,
  validateStatefulSetUpdate,
} from "./sets.ts";
import {
  validatePersistentVolume,
  validatePersistentVolumeClaim,
  validatePersistentVolumeClaimUpdate,
  validatePersistentVolumeUpdate,
  validateStorageClass,
  validateStorageClassUpdate,
} from "./storage.ts";
import { checkStructure } from "./structure.ts";
import { validateDeployment, validateReplicaSet, validateWorkloadUpdate } from "./workloads.ts";

interface Rules {
  readonly create: (object: KubeObject, problems: Problems) => void;
  /** What an update may not do; it runs the create rules as well, unless it is whole. */
  readonly update?: (object: KubeObject, old: KubeObject, problems: Problems) => void;
  readonly updateIsWhole?: boolean;
}

function rules<T extends KubeObject>(
  create: (object: T, problems: Problems) => void,
  update?: (object: T, old: T, problems: Problems) => void,
  updateIsWhole = false,
): Rules {
  return { create, ...(update === undefined ? {} : { update }), updateIsWhole } as unknown as Rules;
}

const RULES: ReadonlyMap<string, Rules> = new Map([
  ["/Pod", rules(validatePod, validatePodUpdate, true)],
  ["/Service", rules(validateService, validateServiceUpdate)],
  ["/ConfigMap", rules(validateConfigMap, validateConfigUpdate)],
  ["/Secret", rules(validateSecret, validateSecretUpdate)],
  ["/Namespace", rules(validateNamespace)],
  ["/Node", rules(validateNode, validateNodeUpdate)],
  ["/Event", rules(validateEvent)],
  ["apps/Deployment", rules(validateDeployment, validateWorkloadUpdate)],
  ["apps/ReplicaSet", rules(validateReplicaSet, validateWorkloadUpdate)],
  ["apps/DaemonSet", rules(validateDaemonSet, validateWorkloadUpdate)],
  ["apps/StatefulSet", rules(validateStatefulSet, validateStatefulSetUpdate)],
  ["apps/ControllerRevision", rules(() => {}, validateControllerRevisionUpdate)],
  ["batch/Job", rules(validateJob, validateJobUpdate)],
  ["batch/CronJob", rules(validateCronJob)],
  ["autoscaling/HorizontalPodAutoscaler", rules(validateAutoscaler)],
  ["policy/PodDisruptionBudget", rules(validatePodDisruptionBudget)],
  ["discovery.k8s.io/EndpointSlice", rules(validateEndpointSlice)],
  ["coordination.k8s.io/Lease", rules(validateLease)],
  ["/PersistentVolume", rules(validatePersistentVolume, validatePersistentVolumeUpdate)],
  ["/PersistentVolumeClaim", rules(validatePersistentVolumeClaim, validatePersistentVolumeClaimUpdate)],
  ["storage.k8s.io/StorageClass", rules(validateStorageClass, validateStorageClassUpdate)],
  ["rbac.authorization.k8s.io/Role", rules(validateRole)],
  ["rbac.authorization.k8s.io/ClusterRole", rules(validateClusterRole)],
  ["rbac.authorization.k8s.io/RoleBinding", rules(validateBinding, validateBindingUpdate)],
  ["rbac.authorization.k8s.io/ClusterRoleBinding", rules(validateBinding, validateBindingUpdate)],
]);

/** What is wrong with a new object, after defaulting; empty when it may be stored. */
export function validateCreate<T extends KubeObject>(resource: Resource<T>, object: T): FieldError[] {
  const problems = new Problems();
  validateMetadata(resource, object, problems);
  validateBody(resource.schema, object, problems);
  RULES.get(`${resource.group}/${resource.kind}`)?.create(object, problems);
  return problems.list;
}

/**
 * What is wrong with a change from `old` to `object`, both whole and defaulted: everything that is wrong with a new
 * object, and changes of what may not change.
 */
export function validateUpdate<T extends KubeObject>(resource: Resource<T>, object: T, old: T): FieldError[] {
  const problems = new Problems();
  validateMetadata(resource, object, problems);
  validateMetadataUpdate(object, old, problems);
  validateBody(resource.schema, object, problems);
  const kind = RULES.get(`${resource.group}/${resource.kind}`);
  if (!kind?.updateIsWhole) kind?.create(object, problems);
  kind?.update?.(object, old, problems);
  return problems.list;
}

/** Structure of all but status, which only parts of the system write and which must not fail on a newer word. */
function validateBody(schema: Message, object: KubeObject, problems: Problems): void {
  if (schema.fields["spec"] !== undefined && schema.fields["spec"].need !== "optional" && !("spec" in object)) {
    problems.required("spec");
  }
  checkStructure(schema, object, "", problems, "status");
}
