import { TriremeError } from "@trireme/base";
import { toBase64 } from "../base64.ts";
import { messageForKind } from "../messages.ts";
import type { KubeObject } from "../resources.ts";
import type { Field, Message, Need, Scalar } from "../schema/notation.ts";
import { formatMicroTime, formatTime } from "../time.ts";
import { type WireField, readFields, readPacked } from "./reader.ts";

/** Messages nest no deeper in any kind; a hostile body must not exhaust the stack. */
const MAX_DEPTH = 60;

/** Whether bytes open with Kubernetes' protobuf magic `6b 38 73 00`. */
export function isProtobuf(body: Uint8Array): boolean {
  return body.length >= 4 && body[0] === 0x6b && body[1] === 0x38 && body[2] === 0x73 && body[3] === 0;
}

/**
 * Decodes a request body of type `application/vnd.kubernetes.protobuf` into the JSON form of its object. Zero values of
 * fields that are no pointers in Go are left out, as its JSON encoder does. The caller runs decodeStrict on the result.
 */
export function decodeProtobuf(body: Uint8Array): KubeObject {
  if (!isProtobuf(body)) {
    throw new TriremeError("BadRequest", "the body does not start with the magic bytes of Kubernetes' protobuf");
  }
  // runtime.Unknown: {1: TypeMeta{1: apiVersion, 2: kind}, 2: raw, 3: contentEncoding, 4: contentType}
  const unknown = new Map([...readFields(body.subarray(4))].map(({ number, value }) => [number, value]));
  const typeMeta = new Map([...readFields(bytesOf(unknown.get(1)))].map(({ number, value }) => [number, value]));
  const apiVersion = textOf(typeMeta.get(1));
  const kind = textOf(typeMeta.get(2));
  const message = messageForKind(apiVersion, kind);
  if (message === undefined) {
    throw new TriremeError("BadRequest", `no kind "${kind}" is known in version "${apiVersion}"`);
  }
  const raw = unknown.get(2);
  if (raw === undefined) throw new TriremeError("BadRequest", "the protobuf body holds no object");
  const object = decodeMessage(message, bytesOf(raw), 0);
  return { ...object, apiVersion, kind } as unknown as KubeObject;
}

type Slot = { readonly name: string; readonly field: Field<unknown, Need> } | { readonly embedded: Message };

const slotsByMessage = new WeakMap<Message, ReadonlyMap<number, Slot>>();

/** Which field stands behind each number. Embedded messages take one number for all of their fields. */
function slotsOf(message: Message): ReadonlyMap<number, Slot> {
  const known = slotsByMessage.get(message);
  if (known !== undefined) return known;
  const slots = new Map<number, Slot>();
  for (const [name, field] of Object.entries(message.fields)) {
    const { embedded, number } = field.facts;
    if (embedded !== undefined) slots.set(embedded.number, { embedded: embedded.message });
    else if (number > 0) slots.set(number, { name, field });
  }
  slotsByMessage.set(message, slots);
  return slots;
}

function decodeMessage(message: Message, bytes: Uint8Array, depth: number): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw new TriremeError("BadRequest", "the protobuf body is nested too deeply");
  const slots = slotsOf(message);
  const result: Record<string, unknown> = {};
  for (const wire of readFields(bytes)) {
    const slot = slots.get(wire.number);
    // Fields that we do not know are skipped: a newer client may have them.
    if (slot === undefined) continue;
    if ("embedded" in slot) {
      Object.assign(result, decodeMessage(slot.embedded, bytesOf(wire.value), depth + 1));
      continue;
    }
    const { name, field } = slot;
    const { shape, of } = field.facts;
    if (shape === "list") {
      const list = (result[name] ??= []) as unknown[];
      list.push(...decodeElements(of, wire, depth));
    } else if (shape === "map") {
      const map = (result[name] ??= {}) as Record<string, unknown>;
      const [key, value] = decodeEntry(of, bytesOf(wire.value), depth);
      Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
    } else {
      const value = decodeValue(of, wire.value, depth);
      const isZero = value === "" || value === 0 || value === false;
      if (value === undefined || (isZero && field.need !== "required" && !field.facts.explicit)) delete result[name];
      else result[name] = value;
    }
  }
  return result;
}

function decodeElements(of: Scalar | Message, { value }: WireField, depth: number): unknown[] {
  const packable = of === "int32" || of === "int64" || of === "bool";
  if (packable && value instanceof Uint8Array) return readPacked(value).map((item) => decodeValue(of, item, depth));
  return [decodeValue(of, value, depth)];
}

function decodeEntry(of: Scalar | Message, bytes: Uint8Array, depth: number): [string, unknown] {
  const entry = new Map([...readFields(bytes)].map(({ number, value }) => [number, value]));
  const value = entry.get(2);
  return [textOf(entry.get(1)), value === undefined ? zeroOf(of) : decodeValue(of, value, depth)];
}

function zeroOf(of: Scalar | Message): unknown {
  if (typeof of !== "string") return {};
  return of === "bool" ? false : of === "int32" || of === "int64" || of === "double" ? 0 : "";
}

function decodeValue(of: Scalar | Message, value: WireField["value"], depth: number): unknown {
  if (typeof of !== "string") return decodeMessage(of, bytesOf(value), depth + 1);
  switch (of) {
    case "string":
      return textOf(value);
    case "bool":
      return value !== 0n;
    case "int32":
    case "int64":
      return integerOf(value);
    case "double":
      return typeof value === "number" ? value : wrongType();
    case "quantity":
      return textOf(childOf(value, 1) ?? new Uint8Array());
    case "bytes":
      return toBase64(bytesOf(value));
    case "intOrString":
      return integerOf(childOf(value, 1) ?? 0n) === 0
        ? integerOf(childOf(value, 2) ?? 0n)
        : textOf(childOf(value, 3) ?? new Uint8Array());
    case "time":
      return decodeTime(value, formatTime);
    case "microTime":
      return decodeTime(value, formatMicroTime);
    case "any":
      return decodeRaw(value);
  }
}

function decodeTime(value: WireField["value"], format: (ms: number) => string): string | undefined {
  const seconds = integerOf(childOf(value, 1) ?? 0n);
  const nanos = integerOf(childOf(value, 2) ?? 0n);
  // Go writes its zero time, "no time", as an empty message.
  return seconds === 0 && nanos === 0 ? undefined : format(seconds * 1000 + nanos / 1e6);
}

function decodeRaw(value: WireField["value"]): unknown {
  const raw = childOf(value, 1);
  if (raw === undefined) return undefined;
  try {
    return JSON.parse(textOf(raw)) as unknown;
  } catch (cause) {
    throw new TriremeError("BadRequest", "a raw field of the protobuf body holds no JSON", { cause });
  }
}

function childOf(value: WireField["value"], number: number): WireField["value"] | undefined {
  let found: WireField["value"] | undefined;
  for (const field of readFields(bytesOf(value))) if (field.number === number) found = field.value;
  return found;
}

function integerOf(value: WireField["value"]): number {
  if (typeof value !== "bigint") return wrongType();
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new TriremeError("BadRequest", `the integer ${value} in the protobuf body would be rounded`);
}

function bytesOf(value: WireField["value"] | undefined): Uint8Array {
  if (value === undefined) return new Uint8Array();
  return value instanceof Uint8Array ? value : wrongType();
}

function textOf(value: WireField["value"] | undefined): string {
  return new TextDecoder().decode(bytesOf(value));
}

function wrongType(): never {
  throw new TriremeError("BadRequest", "the protobuf body has a field of another type than its kind says");
}
