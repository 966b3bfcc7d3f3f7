import { Binding, DeleteOptions, Eviction, Scale, Status, TokenRequest } from "./kinds.ts";
import { REVIEW_RESOURCES, apiVersionOf, resourceForKind } from "./resources.ts";
import type { Message } from "./schema/notation.ts";

/** Kinds that requests carry though no resource is made of them. */
const OTHERS: readonly Message[] = [
  Binding,
  Eviction,
  Scale,
  Status,
  TokenRequest,
  ...REVIEW_RESOURCES.map((resource) => resource.schema),
];

/** The declaration of a manifest's apiVersion and kind, also of kinds that only subresources and options speak. */
export function messageForKind(apiVersion: string, kind: string): Message | undefined {
  const resource = resourceForKind(apiVersion, kind);
  if (resource !== undefined) return resource.schema;
  // Clients send options in the group-version of the resource that they are about.
  if (kind === "DeleteOptions") return DeleteOptions;
  return OTHERS.find((message) => message.name === kind && apiVersionOf(message.kind!) === apiVersion);
}
