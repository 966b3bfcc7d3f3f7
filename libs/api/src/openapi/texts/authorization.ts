import {
  LocalSubjectAccessReview,
  NonResourceAttributes,
  NonResourceRule,
  ResourceAttributes,
  ResourceRule,
  SelfSubjectAccessReview,
  SelfSubjectAccessReviewSpec,
  SelfSubjectReview,
  SelfSubjectReviewStatus,
  SelfSubjectRulesReview,
  SelfSubjectRulesReviewSpec,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
  SubjectRulesReviewStatus,
  TokenReview,
  TokenReviewSpec,
  TokenReviewStatus,
  UserInfo,
} from "../../kinds.ts";
import { type Text, text } from "./text.ts";

const QUESTION = { spec: "The question.", status: "The answer." };

/** Texts about questions of who one is and what one may do. */
export const AUTHORIZATION_TEXTS: readonly Text[] = [
  text(SelfSubjectReview, "Asks who the server takes you for. It is answered at once and not stored.", {
    status: "The answer.",
  }),
  text(SelfSubjectReviewStatus, "Who you are.", { userInfo: "Name and groups." }),
  text(UserInfo, "A user.", {
    username: "The name: the common name of a client certificate, or a ServiceAccount's.",
    uid: "Tells a ServiceAccount from earlier ones of its name.",
    groups:
      "The groups: the organisations of a client certificate or those of ServiceAccounts, and system:authenticated.",
  }),
  text(SelfSubjectAccessReview, "Asks whether you may do something. It is answered at once and not stored.", QUESTION),
  text(SelfSubjectAccessReviewSpec, "What you would like to do: one of the two.", {
    resourceAttributes: "Something with objects.",
    nonResourceAttributes: "Something with a path outside them.",
  }),
  text(ResourceAttributes, "An action on objects.", {
    namespace: "Where; none for all namespaces and for kinds that are in none.",
    verb: "get, list, watch, create, update, patch, delete, deletecollection, or * for all.",
    group: "The API group.",
    version: "Of no account.",
    resource: "The plural, such as pods.",
    subresource: "Such as log.",
    name: "One object; none for all.",
    fieldSelector: "Of no account: nothing is allowed by selectors.",
    labelSelector: "Of no account: nothing is allowed by selectors.",
  }),
  text(NonResourceAttributes, "An action on a path.", { path: "The path.", verb: "Such as get." }),
  text(SubjectAccessReviewStatus, "Whether you may.", {
    allowed: "True if something allows it.",
    reason: "Why.",
    denied: "Never set: nothing denies what something else allows.",
    evaluationError: "What went wrong while the answer was looked for.",
  }),
  text(SelfSubjectRulesReview, "Asks for all that you may do in a namespace. It is answered at once and not stored.", {
    ...QUESTION,
  }),
  text(SelfSubjectRulesReviewSpec, "Where.", { namespace: "The namespace." }),
  text(SubjectRulesReviewStatus, "All that you may do.", {
    resourceRules: "With objects.",
    nonResourceRules: "With paths outside them.",
    incomplete: "Whether there is more than could be told.",
    evaluationError: "Why it is incomplete.",
  }),
  text(ResourceRule, "Actions that are allowed on objects.", {
    verbs: "What; * for everything.",
    apiGroups: "Of which groups; * for all.",
    resources: "On which resources; * for all.",
    resourceNames: "On objects of these names only.",
  }),
  text(NonResourceRule, "Actions that are allowed on paths.", {
    verbs: "What; * for everything.",
    nonResourceURLs: "On which paths; a * at the end for all below.",
  }),
  text(SubjectAccessReview, "Asks whether somebody may do something. It is answered at once and not stored.", QUESTION),
  text(
    LocalSubjectAccessReview,
    "Asks whether somebody may do something in this namespace. It is not stored.",
    QUESTION,
  ),
  text(SubjectAccessReviewSpec, "Somebody, and what they would like to do: one of the two.", {
    resourceAttributes: "Something with objects.",
    nonResourceAttributes: "Something with a path outside them.",
    user: "The user's name.",
    groups: "The groups that they are in.",
    uid: "The user's uid.",
  }),
  text(TokenReview, "Asks whose token this is. It is answered at once and not stored.", QUESTION),
  text(TokenReviewSpec, "A token.", {
    token: "The token.",
    audiences: "For whom it has to be; the API itself unless given.",
  }),
  text(TokenReviewStatus, "Whose it is.", {
    authenticated: "Whether the token is good.",
    user: "Whose it is.",
    audiences: "Which of the audiences it is for.",
    error: "Why it is not good.",
  }),
];
