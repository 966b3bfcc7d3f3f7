import type { TarEntry } from "./tar.ts";

const PROGRAM_DYNAMIC = 2;
const PROGRAM_LOAD = 1;
const TAG_NEEDED = 1n;
const TAG_STRING_TABLE = 5n;

/** The shared libraries that a 64-bit little-endian ELF file names; none for any other file. */
export function neededLibraries(content: Uint8Array): string[] {
  const elf = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1) return [];
  const headers = Array.from({ length: elf.readUInt16LE(56) }, (_, i) => {
    const at = Number(elf.readBigUInt64LE(32)) + i * elf.readUInt16LE(54);
    return {
      type: elf.readUInt32LE(at),
      offset: elf.readBigUInt64LE(at + 8),
      address: elf.readBigUInt64LE(at + 16),
      size: elf.readBigUInt64LE(at + 32),
    };
  });
  const dynamic = headers.find((header) => header.type === PROGRAM_DYNAMIC);
  if (dynamic === undefined) return [];
  const names: bigint[] = [];
  let table = 0n;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16n) {
    const tag = elf.readBigUInt64LE(Number(at));
    const value = elf.readBigUInt64LE(Number(at) + 8);
    if (tag === TAG_NEEDED) names.push(value);
    if (tag === TAG_STRING_TABLE) table = value;
  }
  // The table's address is where it is loaded; a segment tells where in the file that is.
  const segment = headers.find((it) => it.type === PROGRAM_LOAD && table >= it.address && table < it.address + it.size);
  if (segment === undefined) return [];
  const start = Number(table - segment.address + segment.offset);
  return names.map((name) => {
    const from = start + Number(name);
    return elf.toString("utf8", from, elf.indexOf(0, from));
  });
}

/** A path in an image whose program or library names a library. */
export interface Need {
  readonly path: string;
  readonly library: string;
}

/** What the programs and libraries among the files need. */
export function needsOf(files: readonly TarEntry[]): Need[] {
  return files.flatMap((file) =>
    file.type !== "file" ? [] : neededLibraries(file.content).map((library) => ({ path: file.path, library })),
  );
}

/** The needs that no file of the layers meets, by the library's file name: where it is found is the loader's business. */
export function unmetNeeds(layers: readonly { readonly paths: readonly string[]; readonly needs: readonly Need[] }[]) {
  const there = new Set(layers.flatMap(({ paths }) => paths.map((path) => path.slice(path.lastIndexOf("/") + 1))));
  return layers.flatMap(({ needs }) => needs.filter(({ library }) => !there.has(library)));
}
