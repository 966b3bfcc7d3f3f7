import { setImmediate } from "node:timers/promises";
import { type KeyValue, type MvccStore, type RangeOp, RangeSlices } from "@trireme/mvcc";
import { RangeResponse, type ResponseHeader } from "@trireme/proto/etcdserverpb/rpc";
import { Pieces } from "./pieces.ts";

/** Keys that are read and encoded before the clock is looked at: some 100 µs of work. */
const KEYS_PER_SLICE = 64;

/** A read works so long at a stretch; then the event loop gets its turn, and with it heartbeats. */
const TURN_MS = 2;

/** Bytes of an encoded number and of a field's tag, at most. */
const VARINT_BYTES = 10;
const TAG_BYTES = 1;

/** What a pair takes beside its key and value, at most. */
const PAIR_OVERHEAD_BYTES = 7 * (TAG_BYTES + VARINT_BYTES);

/** Tags of mvccpb.KeyValue, and that of `kvs` in a RangeResponse. */
const TAG = { kvs: 0x12, key: 0x0a, create: 0x10, mod: 0x18, version: 0x20, value: 0x2a, lease: 0x30 } as const;

/** A range read, encoded as a RangeResponse, in turns of {@link TURN_MS}: `header` is taken at the revision that is read. */
export async function encodeRange(store: MvccStore, op: RangeOp, header: ResponseHeader): Promise<Pieces> {
  const slices = RangeSlices.fits(op) ? new RangeSlices(store, op) : new Sorted(store.range(op));
  const pieces = [encodeFields({ header })];
  try {
    let until = performance.now() + TURN_MS;
    for (let kvs = slices.next(KEYS_PER_SLICE); kvs !== undefined; kvs = slices.next(KEYS_PER_SLICE)) {
      if (kvs.length > 0) pieces.push(encodePairs(kvs));
      if (performance.now() < until) continue;
      await setImmediate();
      until = performance.now() + TURN_MS;
    }
    // A message in parts, one after the other, is the message: fields may come in any order.
    pieces.push(encodeFields({ more: slices.more, count: BigInt(slices.count) }));
    return new Pieces(pieces);
  } finally {
    slices.release();
  }
}

/** A range that was read at once, because it had to be filtered or sorted, in slices for the encoder. */
class Sorted {
  readonly count: number;
  readonly more: boolean;
  private readonly kvs: readonly KeyValue[];
  private at = 0;

  constructor(result: { readonly kvs: readonly KeyValue[]; readonly count: number; readonly more: boolean }) {
    this.kvs = result.kvs;
    this.count = result.count;
    this.more = result.more;
  }

  next(keys: number): readonly KeyValue[] | undefined {
    if (this.at >= this.kvs.length) return undefined;
    const slice = this.kvs.slice(this.at, this.at + keys);
    this.at += keys;
    return slice;
  }

  release(): void {
    this.at = this.kvs.length;
  }
}

function encodeFields(fields: Partial<RangeResponse>): Uint8Array {
  return RangeResponse.encode({ header: undefined, kvs: [], more: false, count: 0n, ...fields }).finish();
}

/** Pairs as the field `kvs` of a RangeResponse: what the generated encoder writes, in a quarter of its time. */
export function encodePairs(kvs: readonly KeyValue[]): Buffer {
  let most = 0;
  for (const { key, value } of kvs) most += key.length + value.length + PAIR_OVERHEAD_BYTES;
  const out = Buffer.allocUnsafeSlow(most);
  let end = 0;
  for (const pair of kvs) end = encodePair(out, end, pair);
  return out.subarray(0, end);
}

function encodePair(
  out: Buffer,
  at: number,
  { key, value, createRevision, modRevision, version, lease }: KeyValue,
): number {
  const leaseBits = BigInt.asUintN(64, lease);
  const length =
    bytesField(key.length) +
    numberField(createRevision) +
    numberField(modRevision) +
    numberField(version) +
    bytesField(value.length) +
    (lease === 0n ? 0 : TAG_BYTES + varintBytes64(leaseBits));
  out[at++] = TAG.kvs;
  at = varint(out, at, length);
  if (key.length > 0) {
    out[at++] = TAG.key;
    at = varint(out, at, key.length);
    at += out.write(key, at, key.length, "latin1");
  }
  at = number(out, at, TAG.create, createRevision);
  at = number(out, at, TAG.mod, modRevision);
  at = number(out, at, TAG.version, version);
  if (value.length > 0) {
    out[at++] = TAG.value;
    at = varint(out, at, value.length);
    out.set(value, at);
    at += value.length;
  }
  if (lease === 0n) return at;
  out[at++] = TAG.lease;
  let rest = leaseBits;
  for (; rest > 127n; rest >>= 7n) out[at++] = Number(rest & 127n) | 128;
  out[at++] = Number(rest);
  return at;
}

function bytesField(length: number): number {
  return length === 0 ? 0 : TAG_BYTES + varintBytes(length) + length;
}

function numberField(value: number): number {
  return value === 0 ? 0 : TAG_BYTES + varintBytes(value);
}

function number(out: Buffer, at: number, tag: number, value: number): number {
  if (value === 0) return at;
  out[at] = tag;
  return varint(out, at + TAG_BYTES, value);
}

/** Numbers are safe integers and not negative. */
function varint(out: Buffer, at: number, value: number): number {
  let rest = value;
  while (rest > 127) {
    out[at++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  out[at++] = rest;
  return at;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

function varintBytes64(value: bigint): number {
  let bytes = 1;
  for (let rest = value; rest > 127n; rest >>= 7n) bytes += 1;
  return bytes;
}
