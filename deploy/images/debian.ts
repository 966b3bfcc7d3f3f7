import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";

import { basename, join } from "node:path";
import { type Dependencies, parseDepends } from "./debian-closure.ts";
import { isWanted, mergedPath } from "./debian-files.ts";
import type { TarEntry } from "./tar.ts";

/** One version of a package, as a file of the archive: `nginx_1.22.1-9_amd64.deb`. */
export type DebFile = string;

/**
 * Debian's archive, as this machine's sources name it, with package lists, status and downloads of our own: the machine's
 * apt is neither asked to be up to date nor touched, and no root is needed.
 */
export interface DebianArchive {
  /** What the packages and everything below them depend on. */
  dependencies(packages: readonly string[]): Dependencies;
  /** The file of each package's newest version. */
  files(packages: readonly string[]): Map<string, DebFile>;
  /** Fetches files that are not there yet; apt checks their hashes. */
  fetch(packages: readonly string[], files: ReadonlyMap<string, DebFile>): void;
  /** The files in a fetched package that belong into an image, folders left out. */
  unpack(file: DebFile, drop: readonly string[]): TarEntry[];
}

/** A whole apt-get update or download takes seconds; a mirror that says nothing for so long is not there. */
const APT_MS = 300_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Opens the archive with its state in `dir`. Package lists are fetched once; {@link refreshLists} fetches them again. */
export function openDebianArchive(dir: string, log: (text: string) => void): DebianArchive {
  for (const program of ["/usr/bin/apt-get", "/usr/bin/dpkg-deb"]) {
    if (!existsSync(program)) {
      throw new Error(`${program} is not there: images of Debian packages can only be built on Debian and its kin`);
    }
  }
  const debs = join(dir, "debs");
  const lists = join(dir, "lists");
  for (const folder of [debs, join(lists, "partial"), join(dir, "cache/archives/partial")]) {
    mkdirSync(folder, { recursive: true });
  }
  writeFileSync(join(dir, "status"), "");
  const options = [
    "APT::Sandbox::User=root",
    "APT::Install-Recommends=false",
    "Acquire::Languages=none",
    "Acquire::Retries=3",
    `Dir::State=${dir}`,
    `Dir::State::Lists=${lists}`,
    `Dir::State::status=${join(dir, "status")}`,
    `Dir::Cache=${join(dir, "cache")}`,
  ].flatMap((option) => ["-o", option]);
  // Run among downloads, apt-get would not name those that are there already.
  const apt = (program: "apt-get" | "apt-cache", args: readonly string[], cwd = dir): string =>
    execFileSync(program, ["-q", ...options, ...args], {
      cwd,
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C" },
      maxBuffer: MAX_OUTPUT_BYTES,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: APT_MS,
    });
  if (!readdirSync(lists).some((name) => name.endsWith("Packages") || name.includes("_Packages"))) {
    log("Debian's package lists");
    apt("apt-get", ["update"]);
  }
  const files = (packages: readonly string[]): Map<string, DebFile> => {
    const out = new Map<string, DebFile>();
    for (const line of apt("apt-get", ["download", "--print-uris", ...packages]).split("\n")) {
      const file = /^'\S+' (\S+\.deb) /.exec(line)?.[1];
      if (file !== undefined) out.set(file.slice(0, file.indexOf("_")), file);
    }
    return out;
  };
  return {
    dependencies: (packages) => parseDepends(apt("apt-cache", ["depends", "--recurse", "--important", ...packages])),
    files,
    fetch(packages, known) {
      const missing = packages.filter((name) => !existsSync(join(debs, known.get(name) ?? name)));
      if (missing.length === 0) return;
      log(`${missing.length} Debian packages`);
      apt("apt-get", ["download", ...missing], debs);
    },
    unpack(file, drop) {
      const into = mkdtempSync(join(dir, "unpack-"));
      try {
        execFileSync("dpkg-deb", ["-x", join(debs, file), into], { timeout: APT_MS });
        return readTree(into, "", drop);
      } finally {
        rmSync(into, { recursive: true });
      }
    },
  };
}

/** Forgets the package lists, so that the next archive opened in `dir` fetches today's. */
export function refreshLists(dir: string): void {
  rmSync(join(dir, "lists"), { recursive: true, force: true });
}

/** Removes downloaded packages that are not in `keep`. */
export function pruneDownloads(dir: string, keep: ReadonlySet<DebFile>): void {
  for (const file of readdirSync(join(dir, "debs"))) {
    if (!keep.has(basename(file))) rmSync(join(dir, "debs", file), { force: true });
  }
}

function readTree(root: string, path: string, drop: readonly string[]): TarEntry[] {
  return readdirSync(join(root, path))
    .toSorted()
    .flatMap((name): TarEntry[] => {
      const from = path === "" ? name : `${path}/${name}`;
      const to = mergedPath(from);
      const stat = lstatSync(join(root, from));
      if (stat.isDirectory()) return readTree(root, from, drop);
      if (!isWanted(to, drop)) return [];
      if (stat.isSymbolicLink()) return [{ type: "symlink", path: to, target: readlinkSync(join(root, from)) }];
      return [{ type: "file", path: to, content: readFileSync(join(root, from)), mode: stat.mode & 0o777 }];
    });
}
