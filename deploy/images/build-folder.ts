import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { buildSync } from "esbuild";
import { writeImages } from "./archive.ts";
import { closureOf } from "./debian-closure.ts";
import { type DebFile, type DebianArchive, openDebianArchive, pruneDownloads, refreshLists } from "./debian.ts";
import { unmetNeeds } from "./elf.ts";
import { type CachedLayer, openLayerCache } from "./layer-cache.ts";
import type { BundleLayer, ImageRecipe, LayerRecipe } from "./recipe.ts";
import { filesBelow, readSourceFiles } from "./source-files.ts";
import type { TarEntry } from "./tar.ts";

/**
 * `node build-folder.ts FOLDER CACHE` builds the images of `FOLDER/images.ts` (see recipe.ts) into `CACHE/images.tar` and
 * `CACHE/images.txt`, or finds that nothing of what they are made from has changed. Debian's packages are those of the
 * day of the first build; they stay the same until CACHE is removed or a version is no longer served.
 */
const [folderArgument, cacheArgument] = process.argv.slice(2);
if (folderArgument === undefined || cacheArgument === undefined) {
  throw new Error("usage: node build-folder.ts FOLDER CACHE");
}
const folder = resolve(folderArgument);
const cache = resolve(cacheArgument);
const root = join(import.meta.dirname, "../..");

/** Of this program's sources those that decide what is in a layer: with others it may come out differently. */
const LAYER_SOURCES = ["debian.ts", "debian-files.ts", "layer-cache.ts", "source-files.ts", "tar.ts"] as const;

const module = (await import(join(folder, "images.ts"))) as { readonly images: readonly ImageRecipe[] };
const inputs = hashInputs(module.images);
const stamp = join(cache, "inputs.txt");
if (!existsSync(join(cache, "images.tar")) || !existsSync(stamp) || readFileSync(stamp, "utf8") !== inputs) {
  mkdirSync(cache, { recursive: true });
  const debian = join(cache, "debian");
  try {
    try {
      build(module.images, debian);
    } catch (thrown) {
      if (!wasRefused(thrown)) throw thrown;
      // The lists are of another day than the mirror: what they name may be gone.
      refreshLists(debian);
      build(module.images, debian);
    }
    writeFileSync(stamp, inputs);
  } catch (thrown) {
    const { message, stderr } = thrown as { message: string; stderr?: string };
    process.stderr.write(`${folder}/images.ts: ${message}\n${stderr === undefined ? "" : String(stderr)}`);
    process.exitCode = 1;
  }
}

/** All that images are made from, but for Debian's packages: sources, this program, npm's lock and the machine's kind. */
function hashInputs(recipes: readonly ImageRecipe[]): string {
  const hash = createHash("sha256").update(process.arch);
  const sources = [
    ...filesBelow(import.meta.dirname).map((file) => join(import.meta.dirname, file)),
    ...filesBelow(folder).map((file) => join(folder, file)),
    ...copiedFromElsewhere(recipes),
    join(root, "package-lock.json"),
    "/etc/os-release",
  ];
  for (const file of sources) {
    if (/\.(test\.ts|md|ya?ml)$/.test(file) || file.includes("/node_modules/")) continue;
    hash.update(relative(root, file)).update("\0").update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex");
}

/** What recipes copy from outside of their folder: built programs. */
function copiedFromElsewhere(recipes: readonly ImageRecipe[]): string[] {
  const copied = recipes.flatMap(({ layers }) =>
    layers.flatMap((layer) => (layer.from === "files" ? Object.values(layer.copy ?? {}) : [])),
  );
  const outside = [...new Set(copied)].filter((path) => path.startsWith("../")).map((path) => join(folder, path));
  return outside.flatMap((path) => filesBelow(path).map((name) => join(path, name)));
}

function build(recipes: readonly ImageRecipe[], debianDir: string): void {
  const archive = openDebianArchive(debianDir, note);
  const planned = planLayers(recipes, archive);
  const packages = [...new Set(planned.flatMap(({ layers }) => layers.flatMap((it) => it.packages)))].toSorted();
  const versions = archive.files(packages);
  timed("download", () => archive.fetch(packages, versions));

  const kept = openLayerCache(join(cache, "layers"));
  const program = hashProgram();
  const make = ({ layer, packages: names }: PlannedLayer): CachedLayer => {
    if (layer.from === "debian") {
      const debs = names.map((name) => versionOf(versions, name));
      const drop = layer.drop ?? [];
      return kept.get([program, debs, drop], () => withFolders(debs.flatMap((deb) => archive.unpack(deb, drop))));
    }
    const entries = layer.from === "bundle" ? [bundle(layer)] : readSourceFiles(folder, layer);
    const from = entries.map((entry) =>
      entry.type === "file" ? [entry.path, entry.mode, hashOf(entry.content)] : entry,
    );
    return kept.get([program, from], () => withFolders(entries));
  };
  const images = timed("layers", () =>
    planned.map(({ recipe, layers }) => ({ ...recipe, layers: layers.map((layer) => make(layer)) })),
  );
  for (const { name, layers } of images) {
    const missing = unmetNeeds(layers).map(({ path, library }) => `${path} needs ${library}`);
    if (missing.length > 0) throw new Error(`${name} would not run: ${missing.join(", ")}, which no layer holds`);
  }
  timed("archive", () => writeImages(cache, images, process.arch));
  kept.prune();
  pruneDownloads(debianDir, new Set(versions.values()));
}

function versionOf(versions: ReadonlyMap<string, DebFile>, name: string): DebFile {
  const file = versions.get(name);
  if (file === undefined) throw new Error(`Debian's archive has no file of the package "${name}"`);
  return file;
}

interface PlannedLayer {
  readonly layer: LayerRecipe;
  /** Of Debian's, without what the image's layers below it hold. */
  readonly packages: readonly string[];
}

function planLayers(recipes: readonly ImageRecipe[], archive: DebianArchive) {
  const wanted = recipes.flatMap(({ layers }) => layers.flatMap((it) => (it.from === "debian" ? it.packages : [])));
  const dependencies = archive.dependencies([...new Set(wanted)]);
  return recipes.map((recipe) => {
    const below = new Set<string>();
    const layers = recipe.layers.map((layer): PlannedLayer => {
      if (layer.from !== "debian") return { layer, packages: [] };
      const packages = closureOf(layer.packages, dependencies, new Set(layer.without)).filter((it) => !below.has(it));
      for (const name of packages) below.add(name);
      return { layer, packages };
    });
    return { recipe, layers };
  });
}

function bundle(layer: BundleLayer): TarEntry {
  const { outputFiles } = buildSync({
    entryPoints: [join(folder, layer.entry)],
    bundle: true,
    platform: "node",
    format: "cjs",
    target: layer.target,
    // An optional binding of pg to a C library; it asks for it with a catch around.
    external: ["pg-native"],
    minifySyntax: true,
    legalComments: "none",
    logLevel: "warning",
    write: false,
  });
  return { type: "file", path: layer.to, content: outputFiles[0]?.contents ?? Buffer.alloc(0) };
}

/** Entries in the order of their paths, each folder that they are in first. */
function withFolders(entries: readonly TarEntry[]): TarEntry[] {
  const all = new Map(entries.map((entry) => [entry.path, entry]));
  for (const { path } of entries) {
    for (let slash = path.indexOf("/"); slash > 0; slash = path.indexOf("/", slash + 1)) {
      const above = path.slice(0, slash);
      if (!all.has(above)) all.set(above, { type: "directory", path: above });
    }
  }
  return [...all.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function hashOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function hashProgram(): string {
  const hash = createHash("sha256");
  for (const name of LAYER_SOURCES) hash.update(readFileSync(join(import.meta.dirname, name)));
  return hash.digest("hex");
}

function wasRefused(thrown: unknown): boolean {
  return /404|Hash Sum mismatch|no longer has/.test(String((thrown as { stderr?: unknown }).stderr ?? ""));
}

function note(text: string): void {
  process.stderr.write(`  ${text}\n`);
}

function timed<T>(name: string, work: () => T): T {
  const start = performance.now();
  const result = work();
  const seconds = (performance.now() - start) / 1000;
  if (seconds > 0.15) process.stderr.write(`  ${`images: ${name}`.padEnd(48)} ${seconds.toFixed(1).padStart(5)} s\n`);
  return result;
}
