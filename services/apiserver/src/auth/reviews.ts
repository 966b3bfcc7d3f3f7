/** Answers to the questions who one is and what one may do. */
import {
  type KubeObject,
  REVIEW_RESOURCES,
  type Resource,
  SELFSUBJECTACCESSREVIEWS,
  SELFSUBJECTREVIEWS,
  type SelfSubjectAccessReview,
  type SelfSubjectRulesReview,
  invalidObject,
} from "@trireme/api";
import { isAllowed, mayReadPath, pathRulesFor, rulesFor } from "./policy.ts";
import type { User } from "./user.ts";

/** Whether objects of this resource are questions, answered here and stored nowhere. */
export function isReview(resource: Resource): boolean {
  return REVIEW_RESOURCES.includes(resource);
}

/** The question with its answer as status. Throws Invalid when it asks nothing, or two things at once. */
export function reviewed(resource: Resource, user: User, question: KubeObject): KubeObject {
  // Nothing is stored: there is no name, and no time at which it was created.
  const asked = { ...question, metadata: { creationTimestamp: null } } as unknown as KubeObject;
  if (resource === SELFSUBJECTREVIEWS) {
    return { ...asked, status: { userInfo: { username: user.name, groups: [...user.groups] } } } as KubeObject;
  }
  if (resource === SELFSUBJECTACCESSREVIEWS) {
    const allowed = isPermitted(resource, user, question as SelfSubjectAccessReview);
    return { ...asked, status: { allowed } } as KubeObject;
  }
  const { namespace = "" } = (question as SelfSubjectRulesReview).spec;
  if (namespace === "") {
    const message = "Required value: namespace is required";
    throw invalidObject(resource, "", [{ field: "spec.namespace", reason: "FieldValueRequired", message }]);
  }
  const status = {
    resourceRules: rulesFor(user, namespace),
    nonResourceRules: pathRulesFor(user),
    incomplete: false,
  };
  return { ...asked, status } as KubeObject;
}

function isPermitted(resource: Resource, user: User, { spec }: SelfSubjectAccessReview): boolean {
  const { resourceAttributes, nonResourceAttributes } = spec ?? {};
  if ((resourceAttributes === undefined) === (nonResourceAttributes === undefined)) {
    const message = "Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be specified";
    throw invalidObject(resource, "", [{ field: "spec.resourceAttributes", reason: "FieldValueInvalid", message }]);
  }
  if (nonResourceAttributes !== undefined) {
    const { path = "", verb = "" } = nonResourceAttributes;
    if (user.groups.includes("system:masters")) return true;
    return (verb === "get" || verb === "head") && mayReadPath(user, path);
  }
  const { verb = "", group = "", resource: of = "", subresource, namespace, name } = resourceAttributes!;
  return isAllowed(user, { verb, group, resource: of, subresource, namespace, name: name || undefined });
}
