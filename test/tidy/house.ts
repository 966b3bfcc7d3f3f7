import { dirname, join, normalize } from "node:path";
import type { RepoFile, Violation } from "./repo.ts";

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** The dependencies that a package.json declares. */
export function dependenciesOf(file: RepoFile): ReadonlyMap<string, string> {
  const manifest = JSON.parse(file.text) as Manifest;
  return new Map(Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }));
}

/** Every external package is pinned exactly and has one version in the whole repository. */
export function checkVersions(manifests: readonly RepoFile[]): Violation[] {
  const out: Violation[] = [];
  const seen = new Map<string, { version: string; path: string }>();
  for (const file of manifests) {
    for (const [name, version] of dependenciesOf(file)) {
      if (!/^(npm:.*@)?\d+\.\d+\.\d+/.test(version)) {
        out.push({ path: file.path, rule: "pinned", message: `${name} is "${version}"; pin it to one exact version` });
      }
      const first = seen.get(name);
      if (first !== undefined && first.version !== version) {
        const message = `${name} is ${version} here and ${first.version} in ${first.path}`;
        out.push({ path: file.path, rule: "one version", message });
      }
      seen.set(name, first ?? { version, path: file.path });
    }
  }
  return out;
}

const VAGUE_NAMES = /(^|\/)(utils?|helpers?|managers?|misc|common)\.ts$/;

/** Names that say nothing of what a file holds, and names that are not in kebab case. */
export function checkName(path: string): Violation[] {
  const out: Violation[] = [];
  if (VAGUE_NAMES.test(path)) out.push({ path, rule: "names", message: "name the file by the job it does" });
  const base = path.split("/").at(-1)!;
  if (base.endsWith(".ts") && !/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|prop\.test|config|d))?\.ts$/.test(base)) {
    out.push({ path, rule: "names", message: "file names are kebab-case" });
  }
  return out;
}

/** Relative links in a document that lead nowhere. */
export function checkLinks(file: RepoFile, exists: (path: string) => boolean): Violation[] {
  const out: Violation[] = [];
  for (const match of file.text.matchAll(/\]\((?!https?:|#|mailto:)([^)\s#]+)(?:#[^)]*)?\)/g)) {
    const target = normalize(join(dirname(file.path), match[1]!));
    if (!exists(target)) out.push({ path: file.path, rule: "links", message: `${match[1]} does not exist` });
  }
  return out;
}

const TOP_LEVEL = new Set([
  ".ci",
  ".git",
  ".gitignore",
  ".npmrc",
  ".oxfmtrc.json",
  ".oxlintrc.json",
  "README.md",
  "buf.gen.yaml",
  "buf.yaml",
  "deploy",
  "libs",
  "package-lock.json",
  "package.json",
  "proto",
  "services",
  "test",
  "tri",
  "tsconfig.json",
  "vitest.config.ts",
  "knip.json",
]);

/** The top level is fixed: what the design names, and beside it only what tools insist on. */
export function checkTopLevel(entries: readonly string[]): Violation[] {
  return entries
    .filter((entry) => !TOP_LEVEL.has(entry))
    .map((path) => ({ path, rule: "top level", message: "the top level is fixed by the design, section 3" }));
}
