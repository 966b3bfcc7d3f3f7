import { TriremeError, assert } from "@trireme/base";
import { type Alarm, type AlarmType, Alarms } from "./alarms.ts";
import { storeError } from "./errors.ts";
import type { Lease } from "./leases.ts";
import { type MemberInfo, Members } from "./members.ts";
import { MvccStore } from "./store.ts";
import { type Version, isTombstone, versionAt } from "./version.ts";

/** Bytes after which a frame ends: a frame is written between two beats of the event loop, in well under 1 ms. */
const FRAME_BYTES = 64 * 1024;

/**
 * First byte of the first frame; a change of the layout takes a new number, and old numbers stay readable. 1 held keys
 * alone; since 2 each further frame begins with what it holds.
 */
const FORMAT = 2;
const KEYS_ONLY_FORMAT = 1;

/** What a frame of format 2 holds. */
const FRAME = { keys: 1, leases: 2, alarms: 3, members: 4, removedMembers: 5, checkpoints: 6 } as const;

const ALARM_TYPES: readonly AlarmType[] = ["noSpace", "corrupt"];

/** Bytes in pieces, made while they are asked for. */
export interface FrameSource {
  /** The next frame, or undefined at the end. */
  next(): Uint8Array | undefined;
  /** Lets compacted history go again; call it when done or given up. */
  release(): void;
}

/** A consistent picture of the store that is written in slices while the store goes on. */
export interface StoreSnapshot extends FrameSource {
  readonly revision: number;
  readonly appliedIndex: number;
}

/**
 * Begins a snapshot of the store as it is now. Frames are canonical: two replicas with the same applied index and the
 * same state give the same bytes, whatever either has trimmed.
 */
export function takeSnapshot(store: MvccStore): StoreSnapshot {
  const { revision, compactRevision, appliedIndex } = store;
  // Keys keep their history, everything else is copied now: a few small objects each.
  const head = [headFrame(revision, compactRevision, appliedIndex), ...systemFrames(store)];
  const keys = keyFrames(store, revision, compactRevision);
  const next = (): Uint8Array | undefined => head.shift() ?? keys.next();
  return { revision, appliedIndex, next, release: keys.release };
}

/**
 * The frames of a snapshot that hold keys: all that a reader at a revision in `[compactRevision, revision]` can see. They
 * depend on the two numbers and the history between alone, so replicas compare them by hash at any later time, as
 * long as both revisions can be read.
 */
export function keyFrames(store: MvccStore, revision: number, compactRevision: number): FrameSource {
  if (revision > store.revision) throw storeError("futureRevision");
  if (compactRevision < store.compactRevision || compactRevision > revision) throw storeError("compacted");
  const release = store.pin();
  const { restores } = store;
  let cursor: string | undefined = "";
  const next = (): Uint8Array | undefined => {
    if (cursor === undefined) return undefined;
    if (store.restores !== restores) {
      // Half of one state and half of another would be neither (B15).
      throw new TriremeError("Cancelled", "the state was replaced by the leader's snapshot meanwhile; try again");
    }
    const writer = new FrameWriter();
    writer.byte(FRAME.keys);
    const finished = store.scanHeads(cursor, (key, head) => {
      if (writer.length >= FRAME_BYTES) {
        cursor = key;
        return false;
      }
      const chain = readableChain(head, revision, compactRevision);
      if (chain.length > 0) writeChain(writer, key, chain);
      return true;
    });
    if (finished) cursor = undefined;
    return writer.length > 1 ? writer.bytes() : undefined;
  };
  return { next, release };
}

function headFrame(...numbers: readonly number[]): Uint8Array {
  const writer = new FrameWriter();
  writer.byte(FORMAT);
  for (const number of numbers) writer.integer(number);
  return writer.bytes();
}

/** Everything but the keys, in frames of bounded size. */
function systemFrames({ leases, alarms, members }: MvccStore): Uint8Array[] {
  return [
    ...framesOf(FRAME.leases, leases.list(), (writer, lease) => {
      writer.int64(lease.id);
      writer.integer(lease.ttl);
    }),
    ...framesOf(
      FRAME.checkpoints,
      leases.list().filter(({ remaining }) => remaining !== undefined),
      (writer, { id, remaining = 0 }) => {
        writer.int64(id);
        writer.integer(remaining);
      },
    ),
    ...framesOf(FRAME.alarms, alarms.list(), (writer, alarm) => {
      writer.uint64(alarm.member);
      writer.integer(ALARM_TYPES.indexOf(alarm.type));
    }),
    ...framesOf(FRAME.members, members.list(), (writer, member) => {
      writer.uint64(member.id);
      writer.utf8(member.name);
      for (const urls of [member.peerUrls, member.clientUrls]) {
        writer.integer(urls.length);
        for (const url of urls) writer.utf8(url);
      }
    }),
    ...framesOf(FRAME.removedMembers, members.removed(), (writer, id) => writer.uint64(id)),
  ];
}

function framesOf<T>(kind: number, items: readonly T[], write: (writer: FrameWriter, item: T) => void): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let writer: FrameWriter | undefined;
  for (const item of items) {
    if (writer === undefined || writer.length >= FRAME_BYTES) {
      if (writer !== undefined) frames.push(writer.bytes());
      writer = new FrameWriter();
      writer.byte(kind);
    }
    write(writer, item);
  }
  if (writer !== undefined) frames.push(writer.bytes());
  return frames;
}

/** Rebuilds a store from a snapshot's frames, given in order. */
export class SnapshotReader {
  private format = FORMAT;
  private state: { revision: number; compactRevision: number; appliedIndex: number } | undefined;
  private readonly heads: Version[] = [];
  private readonly leases: Lease[] = [];
  private readonly checkpoints: { id: bigint; remaining: number }[] = [];
  private readonly alarms: Alarm[] = [];
  private readonly members: MemberInfo[] = [];
  private readonly removed: bigint[] = [];

  push(frame: Uint8Array): void {
    const reader = new FrameReader(frame);
    if (this.state === undefined) {
      this.format = reader.byte();
      if (this.format !== FORMAT && this.format !== KEYS_ONLY_FORMAT) {
        throw new TriremeError("Invalid", `snapshot format ${this.format} is not known`);
      }
      this.state = { revision: reader.integer(), compactRevision: reader.integer(), appliedIndex: reader.integer() };
      return;
    }
    const kind = this.format === KEYS_ONLY_FORMAT ? FRAME.keys : reader.byte();
    while (!reader.atEnd) this.item(kind, reader);
  }

  finish(): MvccStore {
    if (this.state === undefined) throw new TriremeError("Invalid", "snapshot is empty");
    const store = MvccStore.fromChains(this.state, this.heads, {
      leases: this.leases,
      alarms: new Alarms(this.alarms),
      members: new Members(this.members, this.removed),
    });
    for (const { id, remaining } of this.checkpoints) store.leases.checkpoint(id, remaining);
    return store;
  }

  private item(kind: number, reader: FrameReader): void {
    switch (kind) {
      case FRAME.keys:
        this.heads.push(readChain(reader));
        return;
      case FRAME.leases:
        this.leases.push({ id: reader.int64(), ttl: reader.integer() });
        return;
      case FRAME.checkpoints:
        this.checkpoints.push({ id: reader.int64(), remaining: reader.integer() });
        return;
      case FRAME.alarms:
        this.alarms.push({ member: reader.uint64(), type: readAlarmType(reader) });
        return;
      case FRAME.members:
        this.members.push({
          id: reader.uint64(),
          name: reader.utf8(),
          peerUrls: readUrls(reader),
          clientUrls: readUrls(reader),
        });
        return;
      case FRAME.removedMembers:
        this.removed.push(reader.uint64());
        return;
      default:
        throw new TriremeError("Invalid", `snapshot frame of kind ${kind} is not known`);
    }
  }
}

function readAlarmType(reader: FrameReader): AlarmType {
  const type = ALARM_TYPES[reader.integer()];
  if (type === undefined) throw new TriremeError("Invalid", "snapshot has an alarm that is not known");
  return type;
}

function readUrls(reader: FrameReader): string[] {
  return Array.from({ length: reader.integer() }, () => reader.utf8());
}

/** The versions that some revision in `[compactRevision, revision]` can reach, newest first. */
function readableChain(head: Version, revision: number, compactRevision: number): Version[] {
  const chain: Version[] = [];
  const base = versionAt(head, compactRevision);
  for (let version = versionAt(head, revision); version !== undefined; version = version.prev) {
    if (version === base) {
      if (!isTombstone(base) || base.modRevision >= compactRevision) chain.push(base);
      break;
    }
    chain.push(version);
  }
  return chain;
}

function writeChain(writer: FrameWriter, key: string, chain: readonly Version[]): void {
  writer.text(key);
  writer.integer(chain.length);
  for (const version of chain.toReversed()) {
    for (const number of [version.createRevision, version.modRevision, version.version, version.sub]) {
      writer.integer(number);
    }
    writer.int64(version.lease);
    writer.blob(version.value);
  }
}

function readChain(reader: FrameReader): Version {
  const key = reader.text();
  const length = reader.integer();
  let head: Version | undefined;
  for (let i = 0; i < length; i++) {
    const createRevision = reader.integer();
    const modRevision = reader.integer();
    const version = reader.integer();
    const sub = reader.integer();
    const lease = reader.int64();
    head = { key, value: reader.blob(), createRevision, modRevision, version, lease, sub, prev: head };
  }
  if (head === undefined) throw new TriremeError("Invalid", "snapshot has a key without versions");
  return head;
}

/** Integers are variable-length, seven bits a byte, lowest first; texts and blobs are preceded by their length. */
class FrameWriter {
  private buffer = new Uint8Array(FRAME_BYTES + 4096);
  private end = 0;

  get length(): number {
    return this.end;
  }

  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.end++] = value;
  }

  integer(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "snapshots hold natural numbers");
    this.reserve(8);
    let rest = value;
    while (rest > 127) {
      this.buffer[this.end++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.buffer[this.end++] = rest;
  }

  int64(value: bigint): void {
    this.reserve(8);
    new DataView(this.buffer.buffer).setBigInt64(this.end, value, true);
    this.end += 8;
  }

  uint64(value: bigint): void {
    this.int64(BigInt.asIntN(64, value));
  }

  utf8(value: string): void {
    this.blob(new TextEncoder().encode(value));
  }

  text(value: string): void {
    this.integer(value.length);
    this.reserve(value.length);
    for (let i = 0; i < value.length; i++) this.buffer[this.end++] = value.charCodeAt(i);
  }

  blob(value: Uint8Array): void {
    this.integer(value.length);
    this.reserve(value.length);
    this.buffer.set(value, this.end);
    this.end += value.length;
  }

  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.end);
  }

  private reserve(more: number): void {
    if (this.end + more <= this.buffer.length) return;
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.end + more));
    larger.set(this.buffer);
    this.buffer = larger;
  }
}

class FrameReader {
  private readonly frame: Uint8Array;
  private position = 0;

  constructor(frame: Uint8Array) {
    this.frame = frame;
  }

  get atEnd(): boolean {
    return this.position >= this.frame.length;
  }

  byte(): number {
    const value = this.frame[this.position++];
    if (value === undefined) throw new TriremeError("Invalid", "snapshot frame is cut short");
    return value;
  }

  integer(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  int64(): bigint {
    const at = this.take(8);
    return new DataView(this.frame.buffer, this.frame.byteOffset).getBigInt64(at, true);
  }

  uint64(): bigint {
    return BigInt.asUintN(64, this.int64());
  }

  utf8(): string {
    return new TextDecoder().decode(this.blob());
  }

  text(): string {
    const length = this.integer();
    const at = this.take(length);
    let text = "";
    for (let i = at; i < at + length; i++) text += String.fromCharCode(this.frame[i]!);
    return text;
  }

  blob(): Uint8Array {
    const length = this.integer();
    const at = this.take(length);
    return new Uint8Array(this.frame.subarray(at, at + length));
  }

  private take(length: number): number {
    const at = this.position;
    this.position += length;
    if (this.position > this.frame.length) throw new TriremeError("Invalid", "snapshot frame is cut short");
    return at;
  }
}
