import { TriremeError, assert } from "@trireme/base";
import { Packr, Unpackr } from "msgpackr";
import type { KubeObject } from "@trireme/api";

/** Byte 0 of a stored value: how the rest is encoded. */
export const FORMAT_MSGPACK = 1;

/** Byte 1 of a stored value: whether the rest is sealed (`sealing/envelope.ts`). */
const OPEN = 0;
export const SEALED = 1;

/**
 * Records would make a value depend on structures that another process has not seen; without them each value stands
 * alone, so that any process of any release decodes it.
 */
const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });

/** Largest stored object: a little under the store's own 1.5 MiB request limit, as in Kubernetes with etcd. */
export const MAX_OBJECT_BYTES = 1_400_000;

/**
 * Encodes an object for the store. The resourceVersion is left out: it is the revision of the write itself, which
 * nobody knows yet.
 */
export function encodeObject(object: KubeObject): Uint8Array {
  const { resourceVersion: _, ...metadata } = object.metadata;
  const body = packr.pack({ ...object, metadata });
  if (body.length > MAX_OBJECT_BYTES) {
    throw new TriremeError(
      "RequestEntityTooLarge",
      `the object is too large to be stored: ${body.length} bytes, at most ${MAX_OBJECT_BYTES} are allowed`,
    );
  }
  const value = new Uint8Array(body.length + 2);
  value[0] = FORMAT_MSGPACK;
  value[1] = OPEN;
  value.set(body, 2);
  return value;
}

/** Whether a stored value has to be opened before it can be decoded. */
export function isSealed(value: Uint8Array): boolean {
  return value[0] === FORMAT_MSGPACK && value[1] === SEALED;
}

/** Decodes a stored value and stamps it with the revision that wrote it. */
export function decodeObject(value: Uint8Array, modRevision: number): KubeObject {
  assert(value[0] === FORMAT_MSGPACK, `stored object has the unknown format ${value[0]}`);
  assert(value[1] === OPEN, "a sealed value came past the sealed store, which opens what it reads");
  const object = unpackr.unpack(value.subarray(2)) as KubeObject;
  object.metadata.resourceVersion = String(modRevision);
  return object;
}
