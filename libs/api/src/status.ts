import { type ErrorCode, TriremeError, errorFrom } from "@trireme/base";
import type { FieldError } from "./validate/field-error.ts";
import { groupResource, type Resource } from "./resources.ts";
import type { Status } from "./schema/meta.ts";

/** The HTTP status of each error code. */
export const HTTP_STATUS: Readonly<Record<ErrorCode, number>> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Fenced: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  Cancelled: 499,
  InternalError: 500,
  Unknown: 500,
  BadGateway: 502,
  ServiceUnavailable: 503,
  NotLeader: 503,
  Timeout: 504,
};

/** The `Status` object that answers a failed request; bodies of 2xx answers never come from here. */
export function statusOf(thrown: unknown): Status {
  const error = errorFrom(thrown);
  const { causes, ...details } = error.details;
  const hasDetails = causes !== undefined || Object.keys(details).length > 0;
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: error.message,
    reason: error.code,
    ...(hasDetails ? { details: { ...details, ...(causes ? { causes: causes.map((c) => ({ ...c })) } : {}) } } : {}),
    code: HTTP_STATUS[error.code],
  };
}

/** The 422 for an object whose fields are wrong, in Kubernetes' words. */
export function invalidObject(resource: Resource, name: string, errors: readonly FieldError[]): TriremeError {
  const lines = errors.map((e) => `${e.field}: ${e.message}`);
  const list = lines.length === 1 ? lines[0] : `[${lines.join(", ")}]`;
  const kind = resource.group === "" ? resource.kind : `${resource.kind}.${resource.group}`;
  return new TriremeError("Invalid", `${kind} "${name}" is invalid: ${list}`, {
    details: {
      name,
      group: resource.group,
      kind: resource.kind,
      causes: errors.map((e) => ({ reason: e.reason, message: e.message, field: e.field })),
    },
  });
}

/** The 404 for an object that is not there. */
export function notFound(resource: Resource, name: string): TriremeError {
  return new TriremeError("NotFound", `${groupResource(resource)} "${name}" not found`, {
    details: { name, group: resource.group, kind: resource.resource },
  });
}

/** The 409 for a name that is taken. */
export function alreadyExists(resource: Resource, name: string): TriremeError {
  return new TriremeError("AlreadyExists", `${groupResource(resource)} "${name}" already exists`, {
    details: { name, group: resource.group, kind: resource.resource },
  });
}

/** The 409 for a write whose precondition no longer holds. */
export function conflict(resource: Resource, name: string, why?: string): TriremeError {
  const reason = why ?? "the object has been modified; please apply your changes to the latest version and try again";
  return new TriremeError(
    "Conflict",
    `Operation cannot be fulfilled on ${groupResource(resource)} "${name}": ${reason}`,
    { details: { name, group: resource.group, kind: resource.resource } },
  );
}
