import { TriremeError } from "@trireme/base";
import { Packr } from "msgpackr";

// Records would need the same structures at both ends, and another process decodes them silently wrong.
const packr = new Packr({ useRecords: false, moreTypes: false, int64AsType: "number" });

/** Version of every payload in this release. */
export const PAYLOAD_VERSION = 1;

/** Says what is wrong with a decoded message, or nothing when it is valid. */
export type Check = (message: Readonly<Record<string, unknown>>) => string | undefined;

/** One message type: how to write it and how to read it with distrust. */
export interface Codec<T> {
  readonly name: string;
  encode(message: T): Uint8Array;
  /** Throws `BadRequest` unless the bytes are a valid message of this version. */
  decode(bytes: Uint8Array): T;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Creates the codec of messages `{v: 1, ...}` that pass `check`. */
export function createCodec<T extends { readonly v: 1 }>(name: string, check: Check): Codec<T> {
  return {
    name,
    encode: (message) => packr.pack(message),
    decode(bytes) {
      let value: unknown;
      try {
        value = packr.unpack(bytes);
      } catch (cause) {
        throw new TriremeError("BadRequest", `${name}: not msgpack`, { cause });
      }
      if (!isRecord(value)) throw new TriremeError("BadRequest", `${name}: not a map`);
      if (value["v"] !== PAYLOAD_VERSION) {
        throw new TriremeError(
          "BadRequest",
          `${name}: version ${String(value["v"])}, this release reads ${PAYLOAD_VERSION}`,
        );
      }
      const wrong = check(value);
      if (wrong !== undefined) throw new TriremeError("BadRequest", `${name}: ${wrong}`);
      return value as unknown as T;
    },
  };
}

/** Whether a value is a string of at most `max` characters. */
export function isText(value: unknown, max = 1024): value is string {
  return typeof value === "string" && value.length <= max;
}

/** Whether a value is a safe integer of at least `min`. */
export function isCount(value: unknown, min = 0): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min;
}

/** Whether a value is a plain map. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return isRecord(value);
}
