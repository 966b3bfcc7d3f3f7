import {
  AggregationRule,
  BoundObjectReference,
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  RoleRef,
  Subject,
  TokenRequest,
  TokenRequestSpec,
  TokenRequestStatus,
} from "../../kinds.ts";
import { type Text, text } from "./text.ts";

const ROLE_REF = "The role. It cannot be changed: delete the binding and make another.";

/** Texts about who may do what. */
export const ACCESS_TEXTS: readonly Text[] = [
  text(Role, "What may be done in its namespace. A RoleBinding says by whom.", { rules: "What is allowed." }),
  text(ClusterRole, "What may be done. Bindings say by whom, and whether in one namespace or everywhere.", {
    rules: "What is allowed.",
    aggregationRule: "Whose rules to gather. A controller writes them into this role's own, over what is there.",
  }),
  text(PolicyRule, "Verbs on resources, or on paths. What no rule allows is forbidden.", {
    verbs: "Such as get, list, watch, create, update, patch, delete; * is all.",
    apiGroups: 'Groups of the resources; "" is the core group, * is all.',
    resources: "Such as pods or pods/log; * is all, */scale one subresource of all.",
    resourceNames: "Only objects of these names; a create cannot be restricted so.",
    nonResourceURLs:
      "Paths such as /healthz; a * at the end stands for the rest. In ClusterRoles that are bound everywhere.",
  }),
  text(AggregationRule, "Whose rules to gather.", {
    clusterRoleSelectors: "ClusterRoles with labels that any of these match.",
  }),
  text(RoleBinding, "Gives a role to subjects in its namespace.", { subjects: "Who has it.", roleRef: ROLE_REF }),
  text(ClusterRoleBinding, "Gives a ClusterRole to subjects everywhere.", {
    subjects: "Who has it.",
    roleRef: ROLE_REF,
  }),
  text(RoleRef, "A role.", {
    apiGroup: "rbac.authorization.k8s.io.",
    kind: "Role, in the binding's own namespace, or ClusterRole.",
    name: "Its name.",
  }),
  text(Subject, "Somebody who may be given a role.", {
    kind: "User, Group or ServiceAccount.",
    apiGroup: 'rbac.authorization.k8s.io, or "" for a ServiceAccount.',
    name: "Its name.",
    namespace: "A ServiceAccount's namespace.",
  }),
  text(TokenRequest, "Asks for a token that proves to be a ServiceAccount.", {
    spec: "What is wanted.",
    status: "The token.",
  }),
  text(TokenRequestSpec, "What the token is for.", {
    audiences: "Who is to accept it; the API itself unless given.",
    expirationSeconds: "How long it is to be good for, from 600; an hour unless given.",
    boundObjectRef: "What it lives with: once that is gone the token is worth nothing.",
  }),
  text(BoundObjectReference, "What a token lives with.", {
    kind: "Pod, Secret or Node.",
    apiVersion: "v1.",
    name: "Its name.",
    uid: "Its uid.",
  }),
  text(TokenRequestStatus, "The token.", {
    token: "The token itself. It is shown only once.",
    expirationTimestamp: "Until when it is good.",
  }),
];
