import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { BUNDLES } from "./member.ts";

const ROOT = resolve(BUNDLES, "..");

/** Commits back: some days of work. */
const BACK = 60;

/** Programs of an earlier commit. */
export interface Release {
  readonly bundles: string;
  readonly name: string;
}

/**
 * Builds the store of an earlier commit, once; undefined where the repository's history is not at hand. Its own packages
 * come from that commit, what others wrote from today's node_modules.
 */
export function olderRelease(): Release | undefined {
  const commit = git("rev-parse", "--short", `HEAD~${BACK}`);
  if (commit === undefined) return undefined;
  const bundles = join(BUNDLES, "older", commit);
  const name = `commit ${commit}`;
  if (existsSync(join(bundles, "state-store.mjs"))) return { bundles, name };
  const source = `${bundles}.source`;
  rmSync(source, { recursive: true, force: true });
  mkdirSync(source, { recursive: true });
  const archive = execFileSync("git", ["archive", commit], { cwd: ROOT, maxBuffer: 256 * 1024 * 1024 });
  execFileSync("tar", ["-x", "-C", source], { input: archive });
  linkPackages(source);
  const node = (script: string, ...args: string[]): void => {
    execFileSync(process.execPath, [join(ROOT, "node_modules", script), ...args], { cwd: source, stdio: "pipe" });
  };
  node("@bufbuild/buf/bin/buf", "generate");
  const banner =
    'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);';
  const options = ["--bundle", "--platform=node", "--format=esm", "--target=node24", "--log-level=warning"];
  const out = [`--outfile=${bundles}.new/state-store.mjs`, `--banner:js=${banner}`];
  node("esbuild/bin/esbuild", "services/state-store/src/main.ts", ...options, ...out);
  renameSync(`${bundles}.new`, bundles);
  rmSync(source, { recursive: true });
  return { bundles, name };
}

function linkPackages(source: string): void {
  const [from, to] = [join(ROOT, "node_modules"), join(source, "node_modules")];
  mkdirSync(join(to, "@trireme"), { recursive: true });
  for (const name of readdirSync(from)) if (name !== "@trireme") symlinkSync(join(from, name), join(to, name));
  for (const kind of ["libs", "services"]) {
    for (const name of readdirSync(join(source, kind))) {
      symlinkSync(join(source, kind, name), join(to, "@trireme", name));
    }
  }
}

function git(...args: string[]): string | undefined {
  try {
    return execFileSync("git", args, { cwd: ROOT, encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    // No repository, or a shallow one.
    return undefined;
  }
}
