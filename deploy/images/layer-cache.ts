import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Need, needsOf } from "./elf.ts";
import { type Layer, digestOf } from "./image.ts";
import { type TarEntry, packTar } from "./tar.ts";

/** A layer that is kept as a file, the paths in it, and the libraries that its programs need. */
export interface CachedLayer extends Layer {
  readonly paths: readonly string[];
  readonly needs: readonly Need[];
}

/** Layers as files in one folder, by the hash of all that they were made from. */
export interface LayerCache {
  /** Answers the layer made from `inputs`, which are anything that JSON can say, or makes it now. */
  get(inputs: unknown, make: () => readonly TarEntry[]): CachedLayer;
  /** Removes the layers that were not asked for. */
  prune(): void;
}

export function openLayerCache(dir: string): LayerCache {
  mkdirSync(dir, { recursive: true });
  const used = new Set<string>();
  return {
    get(inputs, make) {
      const key = createHash("sha256").update(JSON.stringify(inputs)).digest("hex");
      const [tarFile, noteFile] = [join(dir, `${key}.tar`), join(dir, `${key}.json`)];
      used.add(`${key}.tar`).add(`${key}.json`);
      if (!existsSync(noteFile)) {
        const entries = make();
        const tar = packTar(entries);
        const paths = entries.map((entry) => entry.path);
        const note = { digest: digestOf(tar), size: tar.length, paths, needs: needsOf(entries) };
        writeWhole(tarFile, tar);
        // The note comes last: where it is, the layer is.
        writeWhole(noteFile, JSON.stringify(note));
      }
      const note = JSON.parse(readFileSync(noteFile, "utf8")) as Omit<CachedLayer, "read">;
      return { ...note, read: () => readFileSync(tarFile) };
    },
    prune() {
      for (const file of readdirSync(dir)) if (!used.has(file)) rmSync(join(dir, file), { force: true });
    },
  };
}

function writeWhole(path: string, content: Uint8Array | string): void {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}
