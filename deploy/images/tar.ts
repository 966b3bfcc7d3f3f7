/** One entry of a tar archive. */
export type TarEntry =
  | { readonly type: "file"; readonly path: string; readonly content: Uint8Array; readonly mode?: number }
  | { readonly type: "directory"; readonly path: string; readonly mode?: number }
  | { readonly type: "symlink"; readonly path: string; readonly target: string };

const BLOCK = 512;
const TYPE_FLAGS = { file: "0", symlink: "2", directory: "5" } as const;

/** Packs entries into a ustar archive, as one buffer; see {@link tarChunks}. */
export function packTar(entries: Iterable<TarEntry>): Buffer {
  return Buffer.concat([...tarChunks(entries)]);
}

/**
 * A ustar archive, piece by piece: nothing but the entry at hand is held. The same entries always give the same bytes:
 * owner root, time zero, order as given, so that an image's digest changes only with its content.
 */
export function* tarChunks(entries: Iterable<TarEntry>): Generator<Uint8Array> {
  for (const entry of entries) {
    const content = entry.type === "file" ? entry.content : Buffer.alloc(0);
    yield header(entry, content.length);
    yield content;
    yield Buffer.alloc(padding(content.length));
  }
  // Two empty blocks end an archive.
  yield Buffer.alloc(2 * BLOCK);
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function header(entry: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const path = entry.type === "directory" ? `${entry.path.replace(/\/$/, "")}/` : entry.path;
  const [prefix, name] = splitPath(path);
  put(block, 0, 100, name, "path");
  put(block, 345, 155, prefix, "path");
  const mode = entry.type === "symlink" ? 0o777 : (entry.mode ?? (entry.type === "directory" ? 0o755 : 0o644));
  putOctal(block, 100, 8, mode);
  putOctal(block, 108, 8, 0);
  putOctal(block, 116, 8, 0);
  putOctal(block, 124, 12, size);
  putOctal(block, 136, 12, 0);
  block.write(TYPE_FLAGS[entry.type], 156);
  if (entry.type === "symlink") put(block, 157, 100, entry.target, "link target");
  block.write("ustar\0", 257);
  block.write("00", 263);
  block.write("root", 265);
  block.write("root", 297);
  // The checksum is taken with its own field as spaces.
  block.write("        ", 148);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** A path that is longer than its field goes on in the prefix field; they are joined by the slash between two folders. */
function splitPath(path: string): [string, string] {
  if (Buffer.byteLength(path) <= 100) return ["", path];
  for (let slash = path.indexOf("/"); slash > 0 && slash < path.length - 1; slash = path.indexOf("/", slash + 1)) {
    const rest = path.slice(slash + 1);
    if (Buffer.byteLength(rest) <= 100) return [path.slice(0, slash), rest];
  }
  return ["", path];
}

function put(block: Buffer, offset: number, length: number, text: string, what: string): void {
  const bytes = Buffer.from(text);
  if (bytes.length > length) throw new Error(`${what} "${text}" does not fit into ${length} bytes of a ustar header`);
  bytes.copy(block, offset);
}

function putOctal(block: Buffer, offset: number, length: number, value: number): void {
  block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, offset);
}
