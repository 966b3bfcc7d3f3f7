import { type ErrorCause, type ErrorCode, type ErrorDetails, TriremeError } from "@trireme/base";

/** Reasons of the API's Status that are error codes of ours too. */
const REASONS: ReadonlySet<string> = new Set<ErrorCode>([
  "BadRequest",
  "Unauthorized",
  "Forbidden",
  "NotFound",
  "AlreadyExists",
  "Conflict",
  "Fenced",
  "Gone",
  "Expired",
  "Invalid",
  "MethodNotAllowed",
  "NotAcceptable",
  "UnsupportedMediaType",
  "RequestEntityTooLarge",
  "TooManyRequests",
  "InternalError",
  "BadGateway",
  "ServiceUnavailable",
  "Timeout",
  "NotLeader",
  "Unknown",
]);

/** What an answer means that is no Status of ours, e.g. from something in between. */
const BY_HTTP_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  406: "NotAcceptable",
  409: "Conflict",
  410: "Gone",
  413: "RequestEntityTooLarge",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  502: "BadGateway",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/** Longest piece of a foreign body that an error message quotes. */
const MAX_QUOTE = 200;

type Json = Readonly<Record<string, unknown>>;

function asRecord(value: unknown): Json | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function toCauses(value: unknown): readonly ErrorCause[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.map((item: unknown) => {
    const cause = asRecord(item) ?? {};
    const field = text(cause["field"]);
    return {
      reason: text(cause["reason"]) ?? "",
      message: text(cause["message"]) ?? "",
      ...(field === undefined ? {} : { field }),
    };
  });
}

/** Turns a `Status` object (of a failed request, or inside a watch's ERROR event) into an error. */
export function errorFromStatus(value: unknown, httpStatus: number): TriremeError {
  const status = asRecord(value) ?? {};
  const code = typeof status["code"] === "number" ? status["code"] : httpStatus;
  const reason = text(status["reason"]);
  const known = reason !== undefined && REASONS.has(reason) ? (reason as ErrorCode) : BY_HTTP_STATUS[code];
  const from = asRecord(status["details"]) ?? {};
  const causes = toCauses(from["causes"]);
  const details: ErrorDetails = {
    ...(text(from["group"]) === undefined ? {} : { group: String(from["group"]) }),
    ...(text(from["kind"]) === undefined ? {} : { kind: String(from["kind"]) }),
    ...(text(from["name"]) === undefined ? {} : { name: String(from["name"]) }),
    ...(text(from["uid"]) === undefined ? {} : { uid: String(from["uid"]) }),
    ...(causes === undefined ? {} : { causes }),
    ...(typeof from["retryAfterSeconds"] === "number" ? { retryAfterSeconds: from["retryAfterSeconds"] } : {}),
  };
  const message = text(status["message"]) ?? `the server answered ${code}${reason === undefined ? "" : ` ${reason}`}`;
  return new TriremeError(known ?? "InternalError", message, { details });
}

/** Turns an answer of 400 or above into an error; a body that is no Status is quoted. */
export function errorFromResponse(httpStatus: number, body: Buffer): TriremeError {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString("utf8"));
  } catch {
    const quote = body.toString("utf8", 0, MAX_QUOTE).trim();
    return errorFromStatus({ message: `the server answered ${httpStatus}: ${quote}` }, httpStatus);
  }
  return errorFromStatus(parsed, httpStatus);
}
