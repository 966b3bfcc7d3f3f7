import { TriremeError } from "@trireme/base";

/*
 * What is inside a backup, decrypted: (type u8 | length u32, big endian | body)*. A manifest first, then files, each its name
 * and its content in pieces; an end. What it is encrypted in says that nothing is missing or changed.
 */
const TYPE = { manifest: 1, file: 2, data: 3, end: 4 } as const;

/** No record is longer: content comes in pieces, and a manifest is a page of text. */
const MAX_RECORD_BYTES = 1024 * 1024;

/** A file's name is one or two plain parts, so that a backup never says where it is written. */
const NAME = /^([a-z]+\/)?[a-z0-9][a-z0-9.-]*$/;

const FORMAT = 1;

/** What a backup is of. */
export interface Manifest {
  readonly format: 1;
  readonly cluster: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** The store's revision: everything acknowledged before the backup began is in it. */
  readonly revision: number;
  /** The cluster's shape, ranges and servers at that time. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** The record that a backup begins with. */
export function manifestRecord(manifest: Manifest): Buffer {
  return record(TYPE.manifest, Buffer.from(JSON.stringify(manifest)));
}

/** Begins a file. */
export function fileRecord(name: string): Buffer {
  if (!NAME.test(name)) throw new TriremeError("BadRequest", `a backup holds no file "${name}"`);
  return record(TYPE.file, Buffer.from(name));
}

/** More of the file that was begun last. */
export function dataRecord(bytes: Uint8Array): Buffer {
  return record(TYPE.data, bytes);
}

/** What a backup ends with. */
export function endRecord(): Buffer {
  return record(TYPE.end, new Uint8Array());
}

/** What a reader is told, in order. */
export interface ArchiveHandlers {
  onManifest(manifest: Manifest): void;
  onFile(name: string): void;
  onData(bytes: Buffer): void;
}

/** Reads a backup's inside as it comes. */
export class ArchiveReader {
  private readonly handlers: ArchiveHandlers;
  private held: Buffer = Buffer.alloc(0);
  private stage: "manifest" | "files" | "content" | "end" = "manifest";

  constructor(handlers: ArchiveHandlers) {
    this.handlers = handlers;
  }

  push(bytes: Uint8Array): void {
    this.held = this.held.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.held, bytes]);
    while (this.held.length >= 5) {
      const length = this.held.readUInt32BE(1);
      if (length > MAX_RECORD_BYTES) throw odd(`a record has ${length} bytes`);
      if (this.held.length < 5 + length) return;
      this.take(this.held[0]!, this.held.subarray(5, 5 + length));
      this.held = this.held.subarray(5 + length);
    }
  }

  finish(): void {
    if (this.stage !== "end" || this.held.length > 0) throw odd("it does not end where it should");
  }

  private take(type: number, body: Buffer): void {
    switch (type) {
      case TYPE.manifest:
        if (this.stage !== "manifest") throw odd("it has two manifests");
        this.stage = "files";
        this.handlers.onManifest(parseManifest(body));
        return;
      case TYPE.file: {
        const name = body.toString();
        if ((this.stage !== "files" && this.stage !== "content") || !NAME.test(name))
          throw odd(`a file "${name}" in it`);
        this.stage = "content";
        this.handlers.onFile(name);
        return;
      }
      case TYPE.data:
        if (this.stage !== "content") throw odd("content of no file");
        this.handlers.onData(body);
        return;
      case TYPE.end:
        if (this.stage === "manifest" || this.stage === "end") throw odd("an end of nothing");
        this.stage = "end";
        return;
      default:
        throw odd(`a record of type ${type}`);
    }
  }
}

function parseManifest(body: Buffer): Manifest {
  const manifest = JSON.parse(body.toString()) as Manifest;
  if (manifest.format !== FORMAT)
    throw odd(`contents of format ${String(manifest.format)}, and this release reads ${FORMAT}`);
  return manifest;
}

function record(type: number, body: Uint8Array): Buffer {
  if (body.length > MAX_RECORD_BYTES)
    throw new TriremeError("RequestEntityTooLarge", `a record of ${body.length} bytes`);
  const all = Buffer.allocUnsafe(5 + body.length);
  all[0] = type;
  all.writeUInt32BE(body.length, 1);
  all.set(body, 5);
  return all;
}

function odd(what: string): TriremeError {
  return new TriremeError(
    "Invalid",
    `the backup was written by another release: ${what}; restore it with the release that made it`,
  );
}
