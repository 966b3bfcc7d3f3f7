import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { dockerfileOf } from "./dockerfile.ts";
import { BASE, images } from "./hosts/images.ts";

/**
 * `node build-hosts.ts` builds the images of hosts/images.ts on our own base, unless nothing of what they are made from has
 * changed, and prints their archive's path, for `docker load -i`. Two that build at a time wait for each other.
 *
 * `--context DIR` writes a folder for each image there which `docker build --build-arg BASE=...` takes; `--base IMAGE` also
 * runs that build, on another base.
 */
const { base, context } = parseArgs({ options: { base: { type: "string" }, context: { type: "string" } } }).values;
const root = join(import.meta.dirname, "../..");
const cache = join(root, ".tools/images/hosts");
mkdirSync(cache, { recursive: true });
const archive = join(cache, "images.tar");
const builder = [
  process.execPath,
  join(import.meta.dirname, "build-folder.ts"),
  join(import.meta.dirname, "hosts"),
  cache,
];
execFileSync("flock", [join(cache, "lock"), ...builder], { stdio: ["ignore", "ignore", "inherit"] });

if (base === undefined && context === undefined) {
  process.stdout.write(`${archive}\n`);
} else {
  const dir = context ?? join(cache, "context");
  rmSync(dir, { recursive: true, force: true });
  for (const { name, folder } of writeContexts(dir)) {
    process.stdout.write(`${folder}\n`);
    if (base === undefined) continue;
    const build = ["build", "--build-arg", `BASE=${base}`, "-t", name, folder];
    execFileSync("docker", build, { stdio: ["ignore", "inherit", "inherit"] });
  }
}

/** What docker's part of an archive says of each image. */
type Manifest = readonly { readonly RepoTags: readonly string[]; readonly Layers: readonly string[] }[];

/** Takes the archive apart: for each image but the base the layers above the base, and a Dockerfile that puts them on another. */
function writeContexts(dir: string): { name: string; folder: string }[] {
  const read = execFileSync("tar", ["-xOf", archive, "manifest.json"], { encoding: "utf8" });
  const manifest = JSON.parse(read) as Manifest;
  const layersOf = (name: string): readonly string[] =>
    manifest.find(({ RepoTags }) => RepoTags.includes(name))?.Layers ?? [];
  const below = new Set(layersOf(BASE));
  return images.flatMap(({ name, config }) => {
    if (name === BASE) return [];
    const folder = join(dir, name.replace(/^.*\//, "").replace(/:.*$/, ""));
    mkdirSync(folder, { recursive: true });
    const layers = layersOf(name).filter((layer) => !below.has(layer));
    execFileSync("tar", ["-xf", archive, "-C", folder, "--transform", "s,.*/,,;s,$,.tar,", ...layers]);
    const files = layers.map((layer) => `${basename(layer)}.tar`);
    writeFileSync(join(folder, "Dockerfile"), dockerfileOf(BASE, files, config));
    return [{ name, folder }];
  });
}
