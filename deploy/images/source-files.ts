import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { FilesLayer } from "./recipe.ts";
import type { TarEntry } from "./tar.ts";

/** The entries of a layer of a recipe's own files; `root` is the recipe's folder. */
export function readSourceFiles(root: string, layer: FilesLayer): TarEntry[] {
  const executable = new Set(layer.executable);
  const file = (path: string, content: Uint8Array): TarEntry => ({
    type: "file",
    path,
    content,
    mode: executable.has(path) ? 0o755 : 0o644,
  });
  return [
    ...Object.entries(layer.folders ?? {}).map(([path, mode]): TarEntry => ({ type: "directory", path, mode })),
    ...Object.entries(layer.links ?? {}).map(([path, target]): TarEntry => ({ type: "symlink", path, target })),
    ...Object.entries(layer.texts ?? {}).map(([path, text]) => file(path, Buffer.from(text))),
    ...Object.entries(layer.copy ?? {}).flatMap(([path, from]) =>
      filesBelow(join(root, from)).map((name) =>
        file(name === "" ? path : `${path}/${name}`, readFileSync(join(root, from, name))),
      ),
    ),
  ];
}

/** The files of a folder and of those in it, by path from there, sorted; of a file, the empty path. */
export function filesBelow(path: string): string[] {
  if (statSync(path).isFile()) return [""];
  return readdirSync(path)
    .toSorted()
    .flatMap((name) => filesBelow(join(path, name)).map((rest) => (rest === "" ? name : `${name}/${rest}`)));
}
