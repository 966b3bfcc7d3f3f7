import { isQuantity, parseQuantity } from "./quantity.ts";
import { parseTime } from "./time.ts";
import type { Scalar } from "./schema/notation.ts";

/** What reading a scalar gave: its clean value, or what is wrong in words that follow "<path>: ". */
export type ScalarResult = { readonly value: unknown } | { readonly problem: string };

const INT32_MAX = 2 ** 31 - 1;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** Values are quoted in errors up to this length, so that a message stays readable. */
const QUOTED_LENGTH = 60;

/** Reads one scalar as the JSON of its type. Objects of type `any` are the caller's. */
export function readScalar(type: Exclude<Scalar, "any">, value: unknown): ScalarResult {
  switch (type) {
    case "string":
      return typeof value === "string" ? { value } : expected("a string", value);
    case "bool":
      return typeof value === "boolean" ? { value } : expected("true or false", value);
    case "int32":
    case "int64":
      return readInteger(type, value);
    case "double":
      return typeof value === "number" ? { value } : expected("a number", value);
    case "intOrString":
      return typeof value === "string" ? { value } : readInteger("int32", value, "an integer or a string");
    case "quantity":
      return readQuantity(value);
    case "time":
    case "microTime":
      if (typeof value !== "string") return expected("a time such as 2026-01-31T10:00:00Z", value);
      return parseTime(value) === undefined ? expected("a time such as 2026-01-31T10:00:00Z", value) : { value };
    case "bytes":
      return readBytes(value);
  }
}

function readInteger(type: "int32" | "int64", value: unknown, words = `an integer (${type})`): ScalarResult {
  if (typeof value !== "number") return expected(words, value);
  if (!Number.isInteger(value)) return expected(words, value);
  if (type === "int32" && (value > INT32_MAX || value < -INT32_MAX - 1)) {
    return { problem: `expected ${words}, got ${value}, which does not fit 32 bits` };
  }
  if (!Number.isSafeInteger(value)) {
    return { problem: `expected ${words}, got a number beyond ±${Number.MAX_SAFE_INTEGER}, which would be rounded` };
  }
  return { value: value === 0 ? 0 : value };
}

function readQuantity(value: unknown): ScalarResult {
  const text = typeof value === "string" ? value.trim() : value;
  if ((typeof text !== "string" && typeof text !== "number") || !isQuantity(text)) {
    return expected("a quantity such as 500m or 1Gi", value);
  }
  // One text for one amount, as Kubernetes stores it: 0.5 and 500m are the same, and compare so.
  return { value: parseQuantity(text).toString() };
}

function readBytes(value: unknown): ScalarResult {
  if (typeof value !== "string") return expected("base64 text", value);
  const compact = /[\r\n]/.test(value) ? value.replaceAll(/[\r\n]/g, "") : value;
  if (compact.length % 4 === 0 && BASE64.test(compact)) return { value: compact };
  // The value may be a secret in clear text that someone forgot to encode: never quote it.
  return { problem: "expected base64 text; use stringData for plain text, or encode the value" };
}

function expected(words: string, value: unknown): ScalarResult {
  return { problem: `expected ${words}, got ${describeValue(value)}` };
}

/** A value in words for an error message: `the string "three"`, `an object`, `null`. */
export function describeValue(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  switch (typeof value) {
    case "string":
      return `the string ${JSON.stringify(value.length > QUOTED_LENGTH ? `${value.slice(0, QUOTED_LENGTH)}...` : value)}`;
    case "number":
      return `the number ${value}`;
    case "boolean":
      return `the boolean ${value}`;
    case "object":
      return "an object";
    default:
      return typeof value;
  }
}
