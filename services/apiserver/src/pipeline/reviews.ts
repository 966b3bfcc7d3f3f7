import {
  type KubeObject,
  type LocalSubjectAccessReview,
  type NonResourceAttributes,
  type ResourceAttributes,
  type Resource,
  REVIEW_RESOURCES,
  type SelfSubjectAccessReview,
  type SelfSubjectReview,
  type SelfSubjectRulesReview,
  type SubjectAccessReview,
  type SubjectAccessReviewStatus,
  type SubjectRulesReviewStatus,
  type TokenReview,
  decodeStrict,
  invalidObject,
} from "@trireme/api";
import { TriremeError } from "@trireme/base";
import type { RulesOfUser } from "../auth/authorizer.ts";
import type { Attributes, Decision } from "../auth/policy.ts";
import { AUTHENTICATED, type User } from "../auth/user.ts";
import { adoptPath } from "../registry/metadata.ts";
import type { Caller, Target, WriteOptions, Written } from "./request.ts";

/** Who answers questions about permissions. */
export interface Judge {
  decide(user: User, want: Attributes): Promise<Decision>;
  decidePath(user: User, verb: string, path: string): Promise<Decision>;
  rulesOf(user: User, namespace: string): RulesOfUser;
  reviewToken(review: TokenReview): Promise<object>;
}

/** Whether creates of this resource are questions. */
export function isReview(resource: Resource): boolean {
  return REVIEW_RESOURCES.includes(resource);
}

/** Answers a review: the object that was sent, with its status. */
export async function answerReview(
  judge: Judge,
  caller: Caller,
  { resource, namespace }: Target,
  body: unknown,
  options: WriteOptions,
): Promise<Written> {
  const decoded = decodeStrict(resource, body, options.fieldValidation ?? "Ignore");
  const review = adoptPath(resource, decoded.object, namespace);
  const status = await statusOf(judge, caller, resource, review, namespace);
  return { object: { ...review, status } as KubeObject, created: true, warnings: decoded.warnings };
}

async function statusOf(
  judge: Judge,
  { user }: Caller,
  resource: Resource,
  review: KubeObject,
  namespace: string | undefined,
): Promise<object> {
  switch (resource.resource) {
    case "selfsubjectreviews":
      return whoIs(user);
    case "tokenreviews":
      return judge.reviewToken(review as TokenReview);
    case "selfsubjectrulesreviews": {
      const { spec } = review as SelfSubjectRulesReview;
      if (!spec?.namespace) throw new TriremeError("BadRequest", "no namespace on request");
      return rulesStatus(judge.rulesOf(user, spec.namespace));
    }
    case "selfsubjectaccessreviews": {
      const { spec } = review as SelfSubjectAccessReview;
      return accessStatus(judge, resource, user, spec ?? {});
    }
    case "subjectaccessreviews":
      return accessStatus(judge, resource, subjectOf(resource, review as SubjectAccessReview), specOf(review));
    default: {
      const { spec } = review as LocalSubjectAccessReview;
      const asked = spec?.resourceAttributes?.namespace;
      if (asked !== undefined && asked !== namespace) {
        const message = `must match metadata.namespace: "${asked}" is not "${namespace}"`;
        throw wrong(resource, "spec.resourceAttributes.namespace", message);
      }
      if (spec?.nonResourceAttributes !== undefined) {
        throw wrong(resource, "spec.nonResourceAttributes", "disallowed on this kind of request");
      }
      return accessStatus(judge, resource, subjectOf(resource, review as SubjectAccessReview), specOf(review));
    }
  }
}

interface Asked {
  readonly resourceAttributes?: ResourceAttributes;
  readonly nonResourceAttributes?: NonResourceAttributes;
}

function specOf(review: KubeObject): Asked {
  return (review as { spec?: Asked }).spec ?? {};
}

function subjectOf(resource: Resource, { spec }: SubjectAccessReview): User {
  const { user = "", groups = [], uid } = spec ?? {};
  if (user === "" && groups.length === 0)
    throw wrong(resource, "spec.user", "at least one of user or group must be specified");
  return { name: user, groups, ...(uid === undefined ? {} : { uid }) };
}

async function accessStatus(
  judge: Judge,
  resource: Resource,
  user: User,
  { resourceAttributes: of, nonResourceAttributes: path }: Asked,
): Promise<SubjectAccessReviewStatus> {
  if ((of === undefined) === (path === undefined)) {
    const why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
    throw wrong(resource, "spec.resourceAttributes", why);
  }
  const decision =
    of === undefined
      ? await judge.decidePath(user, path!.verb ?? "", path!.path ?? "")
      : await judge.decide(user, attributesOf(of));
  if (decision.allowed) return { allowed: true };
  return decision.reason === "" ? { allowed: false } : { allowed: false, reason: decision.reason };
}

function attributesOf({ verb, group, resource, subresource, namespace, name }: ResourceAttributes): Attributes {
  return { verb: verb ?? "", group: group ?? "", resource: resource ?? "", subresource, namespace, name };
}

function rulesStatus({ rules, errors, incomplete }: RulesOfUser): SubjectRulesReviewStatus {
  const problems = [...errors, ...(incomplete === undefined ? [] : [incomplete])];
  return {
    resourceRules: rules.filter((rule) => rule.nonResourceURLs === undefined).map((rule) => ({ ...rule })),
    nonResourceRules: rules
      .filter((rule) => rule.nonResourceURLs !== undefined)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs: nonResourceURLs! })),
    incomplete: problems.length > 0,
    ...(problems.length === 0 ? {} : { evaluationError: problems.join(", ") }),
  };
}

function whoIs({ name, groups, uid, extra }: User): SelfSubjectReview["status"] & object {
  // A certificate's holder is told what every authenticated user is told: that they are one.
  const all = groups.includes(AUTHENTICATED) || name === "system:anonymous" ? groups : [...groups, AUTHENTICATED];
  const userInfo = {
    username: name,
    groups: [...all],
    ...(uid === undefined ? {} : { uid }),
    ...(extra ? { extra } : {}),
  };
  return { userInfo };
}

function wrong(resource: Resource, field: string, message: string): TriremeError {
  return invalidObject(resource, "", [{ field, reason: "FieldValueInvalid", message: `Invalid value: ${message}` }]);
}
