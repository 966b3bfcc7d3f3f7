import { assert } from "@trireme/base";
import type * as mvcc from "@trireme/mvcc";
import { Command as WireCommand } from "@trireme/proto/trireme/store/v1/command";
import { toCommand } from "../grpc/convert.ts";

/** Layout of an entry's data: version u8 | life of the proposer 8 bytes | request counter u48 | Command. */
const VERSION = 1;
const LIFE_BYTES = 8;
const HEADER_BYTES = 1 + LIFE_BYTES + 6;

/** The request of a client, in etcd's words, before it has a place in the log. */
export type Request = NonNullable<WireCommand["command"]>;

/** Who proposed an entry: one life of one member's process, and the number of the request in it. */
export interface Origin {
  readonly life: Buffer;
  readonly counter: number;
}

/** An entry's data, as every replica reads it. */
export function encodeCommand(origin: Origin, request: Request): Buffer {
  const body = WireCommand.encode({ command: request }).finish();
  const data = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  data[0] = VERSION;
  origin.life.copy(data, 1);
  data.writeUIntBE(origin.counter, 1 + LIFE_BYTES, 6);
  data.set(body, HEADER_BYTES);
  return data;
}

/** The number of the request, if this life proposed it. */
export function counterOf(data: Uint8Array, life: Buffer): number | undefined {
  const bytes = asBuffer(data);
  if (bytes.compare(life, 0, LIFE_BYTES, 1, 1 + LIFE_BYTES) !== 0) return undefined;
  return bytes.readUIntBE(1 + LIFE_BYTES, 6);
}

/** What the entry asks of the state machine. Asserts: what is in the log was written by our own encoder. */
export function decodeCommand(data: Uint8Array): mvcc.Command {
  assert(data[0] === VERSION, `entry version ${data[0]} is not known to this release`);
  const { command } = WireCommand.decode(asBuffer(data).subarray(HEADER_BYTES));
  assert(command !== undefined, "an entry's command is known to this release");
  return toCommand(command);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
