import { assert } from "@trireme/base";
import type * as mvcc from "@trireme/mvcc";
import { Command as WireCommand } from "@trireme/proto/trireme/store/v1/command";
import { type Entry, decodeConfChange } from "@trireme/raft";
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

/** Where an entry's command is: a change of the configuration carries it as its context. Undefined: it has none. */
export function payloadOf(entry: Entry): Uint8Array | undefined {
  if (entry.type === "normal") return entry.data;
  if (entry.type === "empty") return undefined;
  const { context } = decodeConfChange(entry.data);
  return context.length === 0 ? undefined : context;
}

/** The number of the request, if this life proposed it. */
export function counterOf(data: Uint8Array, life: Buffer): number | undefined {
  const bytes = asBuffer(data);
  if (bytes.compare(life, 0, LIFE_BYTES, 1, 1 + LIFE_BYTES) !== 0) return undefined;
  return bytes.readUIntBE(1 + LIFE_BYTES, 6);
}

/**
 * What the entry asks of the state machine, undefined when nothing. Asserts: what is in the log was written by our own
 * encoder.
 */
export function decodeCommand(entry: Entry): mvcc.Command | undefined {
  const data = payloadOf(entry);
  if (data === undefined) return undefined;
  assert(data[0] === VERSION, `entry version ${data[0]} is not known to this release`);
  const { command } = WireCommand.decode(asBuffer(data).subarray(HEADER_BYTES));
  assert(command !== undefined, "an entry's command is known to this release");
  return isVoid(command, entry.term) ? undefined : toCommand(command);
}

/**
 * A leader that was deposed while it ended a lease may have its request forwarded to the next leader, which has given that
 * lease its whole time again: the entry's term tells (B18).
 */
function isVoid(command: Request, term: number): boolean {
  if (command.$case === "leaseCheckpoint") return command.value.term !== BigInt(term);
  return (
    command.$case === "leaseRevoke" &&
    command.value.expiredInTerm !== 0n &&
    command.value.expiredInTerm !== BigInt(term)
  );
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
