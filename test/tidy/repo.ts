import { readFileSync, readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";

/** One file of the repository as the rules see it: its path from the root, with `/`, and its text. */
export interface RepoFile {
  readonly path: string;
  readonly text: string;
}

/** A broken rule: where, which one, and what to do about it. */
export interface Violation {
  readonly path: string;
  readonly rule: string;
  readonly message: string;
}

export const ROOT = join(import.meta.dirname, "../..");

const IGNORED = new Set(["node_modules", ".git", ".tools", ".build", "gen", "coverage"]);

/** All text files of the checkout that people write, in a stable order. */
export function readRepo(root = ROOT): RepoFile[] {
  const files: RepoFile[] = [];
  const walk = (dir: string): void => {
    for (const name of readdirSync(dir).toSorted()) {
      if (IGNORED.has(name)) continue;
      const path = join(dir, name);
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) walk(path);
      else if (/\.(ts|md|json|proto|yaml)$/.test(name)) {
        files.push({ path: relative(root, path), text: readFileSync(path, "utf8") });
      }
    }
  };
  walk(root);
  return files;
}
