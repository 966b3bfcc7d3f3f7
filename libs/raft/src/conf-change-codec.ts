import { assert } from "@trireme/base";
import type { ConfChange, ConfOperation } from "./types.ts";

// Layout: version 1 byte, transition 1 byte, count u16, count x (op 1 byte, id u64), context (the rest). Big endian.
const VERSION = 1;
const HEADER_BYTES = 4;
const OPERATION_BYTES = 9;
const TRANSITIONS = ["auto", "jointImplicit", "jointExplicit"] as const;
const OPS = ["addVoter", "addLearner", "remove"] as const;

/** The bytes of a `confChange` entry. */
export function encodeConfChange(change: ConfChange): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + change.operations.length * OPERATION_BYTES + change.context.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, TRANSITIONS.indexOf(change.transition));
  view.setUint16(2, change.operations.length);
  let at = HEADER_BYTES;
  for (const operation of change.operations) {
    view.setUint8(at, OPS.indexOf(operation.op));
    view.setBigUint64(at + 1, operation.id);
    at += OPERATION_BYTES;
  }
  bytes.set(change.context, at);
  return bytes;
}

/** The change inside a `confChange` entry's data. Asserts on garbage: log entries come from our own encoder. */
export function decodeConfChange(bytes: Uint8Array): ConfChange {
  assert(bytes.length >= HEADER_BYTES && bytes[0] === VERSION, "a conf change entry starts with a known version");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const transition = TRANSITIONS[view.getUint8(1)];
  assert(transition !== undefined, "a conf change entry names a known transition");
  const count = view.getUint16(2);
  assert(bytes.length >= HEADER_BYTES + count * OPERATION_BYTES, "a conf change entry holds all its operations");
  const operations: ConfOperation[] = [];
  let at = HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    const op = OPS[view.getUint8(at)];
    assert(op !== undefined, "a conf change entry names known operations");
    operations.push({ op, id: view.getBigUint64(at + 1) });
    at += OPERATION_BYTES;
  }
  return { transition, operations, context: bytes.slice(at) };
}
