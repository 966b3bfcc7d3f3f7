import { TriremeError, assert } from "@trireme/base";
import { MvccStore } from "./store.ts";
import { type Version, isTombstone, versionAt } from "./version.ts";

/** Bytes after which a frame ends: a frame is written between two beats of the event loop, in well under 1 ms. */
const FRAME_BYTES = 64 * 1024;

/** First byte of the first frame; a change of the layout takes a new number, and old numbers stay readable. */
const FORMAT = 1;

/** A consistent picture of the store that is written in slices while the store goes on. */
export interface StoreSnapshot {
  readonly revision: number;
  readonly appliedIndex: number;
  /** The next frame, or undefined at the end. */
  next(): Uint8Array | undefined;
  /** Lets compacted history go again; call it when done or given up. */
  release(): void;
}

/**
 * Begins a snapshot of the store as it is now. Frames are canonical: two replicas with the same applied index and the
 * same state give the same bytes, whatever either has trimmed.
 */
export function takeSnapshot(store: MvccStore): StoreSnapshot {
  const { revision, compactRevision, appliedIndex } = store;
  const release = store.pin();
  let cursor: string | undefined = "";
  let started = false;
  const next = (): Uint8Array | undefined => {
    const writer = new FrameWriter();
    if (!started) {
      started = true;
      writer.byte(FORMAT);
      for (const number of [revision, compactRevision, appliedIndex]) writer.integer(number);
      return writer.bytes();
    }
    if (cursor === undefined) return undefined;
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
    return writer.length > 0 ? writer.bytes() : undefined;
  };
  return { revision, appliedIndex, next, release };
}

/** Rebuilds a store from a snapshot's frames, given in order. */
export class SnapshotReader {
  private state: { revision: number; compactRevision: number; appliedIndex: number } | undefined;
  private readonly heads: Version[] = [];

  push(frame: Uint8Array): void {
    const reader = new FrameReader(frame);
    if (this.state === undefined) {
      const format = reader.byte();
      if (format !== FORMAT) throw new TriremeError("Invalid", `snapshot format ${format} is not known`);
      this.state = { revision: reader.integer(), compactRevision: reader.integer(), appliedIndex: reader.integer() };
      return;
    }
    while (!reader.atEnd) this.heads.push(readChain(reader));
  }

  finish(): MvccStore {
    if (this.state === undefined) throw new TriremeError("Invalid", "snapshot is empty");
    return MvccStore.fromChains(this.state, this.heads);
  }
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
    writer.lease(version.lease);
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
    const lease = reader.lease();
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

  lease(value: bigint): void {
    this.reserve(8);
    new DataView(this.buffer.buffer).setBigInt64(this.end, value, true);
    this.end += 8;
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

  lease(): bigint {
    const at = this.take(8);
    return new DataView(this.frame.buffer, this.frame.byteOffset).getBigInt64(at, true);
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
