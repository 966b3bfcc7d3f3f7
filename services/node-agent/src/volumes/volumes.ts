import { execFile } from "node:child_process";
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { promisify } from "node:util";
import type { Pod, Volume } from "@trireme/api";
import { parseQuantity } from "@trireme/api";
import { TriremeError } from "@trireme/base";
import type { EnvironmentSources, KeyValues } from "../pods/environment.ts";
import { fieldOf } from "../pods/environment.ts";
import type { ConfigSource } from "./config-source.ts";

const run = promisify(execFile);
const DEFAULT_MODE = 0o644;
/** A pod's own files that we read back are short; Kubernetes' bound for a termination message. */
const MAX_READ_BYTES = 4096;

/** Makes a pod's volumes on the node and takes them away again. Everything of one pod is below `<root>/<uid>`. */
export interface Volumes {
  /** Idempotent. Answers the host path of each volume by name. */
  prepare(pod: Pod, sources: EnvironmentSources): Promise<ReadonlyMap<string, string>>;
  /** A file of the pod's own, such as its /etc/hosts. */
  writeFile(uid: string, name: string, text: string, mode?: number): Promise<string>;
  /** The beginning of such a file; empty when there is none. */
  readFile(uid: string, name: string): Promise<string>;
  remove(uid: string): Promise<void>;
  /** The pods of which something is left. */
  uids(): Promise<string[]>;
}

/** Volumes below one directory. */
export function createVolumes(root: string, config: ConfigSource): Volumes {
  const dirOf = (uid: string): string => {
    if (!/^[\w-]+$/.test(uid)) throw new TriremeError("Invalid", `pod uid "${uid}" is no plain name`);
    return join(root, uid);
  };
  return {
    async prepare(pod, sources) {
      const base = dirOf(pod.metadata.uid ?? "");
      await mkdir(join(base, "files"), { recursive: true });
      const out = new Map<string, string>();
      for (const volume of pod.spec.volumes ?? []) {
        out.set(volume.name, await prepareVolume(volume, pod, join(base, "volumes", volume.name), config, sources));
      }
      return out;
    },
    async writeFile(uid, name, text, mode = 0o644) {
      const path = join(dirOf(uid), "files", name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text, { mode });
      // The process's umask must not take from what a container's user needs.
      if (mode !== 0o644) await chmod(path, mode);
      return path;
    },
    async readFile(uid, name) {
      const handle = await open(join(dirOf(uid), "files", name), "r").catch(() => undefined);
      if (handle === undefined) return "";
      try {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_READ_BYTES), 0, MAX_READ_BYTES, 0);
        return buffer.toString("utf8", 0, bytesRead);
      } finally {
        await handle.close();
      }
    },
    async remove(uid) {
      const base = dirOf(uid);
      for (const mount of await mountsBelow(base)) await run("umount", [mount]);
      await rm(base, { recursive: true, force: true });
    },
    async uids() {
      return (await readdir(root, { withFileTypes: true }).catch(() => []))
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name);
    },
  };
}

/** Deepest first, so that they can be unmounted in order. */
async function mountsBelow(dir: string): Promise<string[]> {
  const mounts = await readFile("/proc/self/mounts", "utf8");
  return mounts
    .split("\n")
    .map((line) =>
      (line.split(" ")[1] ?? "").replaceAll(/\\(\d{3})/g, (_, o: string) => String.fromCharCode(parseInt(o, 8))),
    )
    .filter((path) => path.startsWith(`${dir}/`))
    .toSorted((a, b) => b.length - a.length);
}

async function prepareVolume(
  volume: Volume,
  pod: Pod,
  dir: string,
  config: ConfigSource,
  sources: EnvironmentSources,
): Promise<string> {
  const namespace = pod.metadata.namespace ?? "default";
  if (volume.hostPath !== undefined) return hostPath(volume.hostPath.path, volume.hostPath.type ?? "");
  if (volume.emptyDir !== undefined) {
    await emptyDir(dir, volume.emptyDir.medium === "Memory", volume.emptyDir.sizeLimit);
    const group = pod.spec.securityContext?.fsGroup;
    if (group !== undefined) await run("chgrp", [String(group), dir]);
    return dir;
  }
  if (volume.configMap !== undefined || volume.secret !== undefined) {
    const kind = volume.configMap === undefined ? "Secret" : "ConfigMap";
    const name = volume.configMap?.name ?? volume.secret?.secretName ?? "";
    const from = volume.configMap ?? volume.secret!;
    const data = await config.get(kind, namespace, name);
    if (data === undefined && !from.optional) {
      throw new TriremeError("NotFound", `volume "${volume.name}": ${kind.toLowerCase()} "${name}" not found`);
    }
    const files = select(data ?? new Map(), from.items, from.defaultMode ?? DEFAULT_MODE, `${kind} ${name}`);
    await project(dir, files);
    return dir;
  }
  if (volume.downwardAPI !== undefined) {
    const mode = volume.downwardAPI.defaultMode ?? DEFAULT_MODE;
    const files = (volume.downwardAPI.items ?? []).map((item) => ({
      path: item.path,
      mode: item.mode ?? mode,
      data: Buffer.from(item.fieldRef === undefined ? "" : fieldOf(pod, item.fieldRef.fieldPath, sources)),
    }));
    await project(dir, files);
    return dir;
  }
  if (volume.projected !== undefined) {
    const files: ProjectedFile[] = [];
    const mode = volume.projected.defaultMode ?? DEFAULT_MODE;
    for (const source of volume.projected.sources ?? []) {
      const from = source.configMap ?? source.secret;
      if (from?.name !== undefined) {
        const kind = source.configMap === undefined ? "Secret" : "ConfigMap";
        const data = await config.get(kind, namespace, from.name);
        if (data === undefined && !from.optional) {
          throw new TriremeError("NotFound", `volume "${volume.name}": ${kind.toLowerCase()} "${from.name}" not found`);
        }
        files.push(...select(data ?? new Map(), from.items, mode, `${kind} ${from.name}`));
      }
      for (const item of source.downwardAPI?.items ?? []) {
        const text = item.fieldRef === undefined ? "" : fieldOf(pod, item.fieldRef.fieldPath, sources);
        files.push({ path: item.path, mode: item.mode ?? mode, data: Buffer.from(text) });
      }
    }
    await project(dir, files);
    return dir;
  }
  const kind = Object.keys(volume).find((key) => key !== "name") ?? "nothing";
  throw new TriremeError(
    "Invalid",
    `volume "${volume.name}" is of kind ${kind}; this node makes emptyDir, hostPath, configMap, secret, downwardAPI and projected volumes`,
  );
}

async function hostPath(path: string, type: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (type === "DirectoryOrCreate" && found === undefined) await mkdir(path, { recursive: true, mode: 0o755 });
  if (type === "FileOrCreate" && found === undefined) await writeFile(path, "", { mode: 0o644, flag: "a" });
  if ((type === "Directory" && !found?.isDirectory()) || (type === "File" && !found?.isFile())) {
    throw new TriremeError("NotFound", `hostPath ${path} is not a ${type.toLowerCase()} on this node`);
  }
  // Without a type Kubernetes lets the runtime create what is missing; containerd refuses, so we do.
  if (type === "" && found === undefined) await mkdir(path, { recursive: true, mode: 0o755 });
  return path;
}

async function emptyDir(dir: string, inMemory: boolean, sizeLimit: string | undefined): Promise<void> {
  await mkdir(dir, { recursive: true });
  if (!inMemory) return chmod(dir, 0o777);
  if ((await mountsBelow(dirname(dir))).includes(dir)) return;
  const size = sizeLimit === undefined ? [] : [`size=${parseQuantity(sizeLimit).value}`];
  await run("mount", ["-t", "tmpfs", "-o", ["mode=1777", ...size].join(), "tmpfs", dir]);
}

interface ProjectedFile {
  readonly path: string;
  readonly mode: number;
  readonly data: Buffer;
}

function select(
  data: KeyValues,
  items: readonly { key: string; path: string; mode?: number }[] | undefined,
  mode: number,
  what: string,
): ProjectedFile[] {
  if (items === undefined) return [...data].map(([path, value]) => ({ path, mode, data: value }));
  return items.map((item) => {
    const value = data.get(item.key);
    if (value === undefined) throw new TriremeError("NotFound", `${what} has no key "${item.key}"`);
    return { path: item.path, mode: item.mode ?? mode, data: value };
  });
}

/**
 * Writes the files so that readers see all of them change at once: a fresh directory, a link `..data` to it that is
 * renamed into place, and links to the files behind it. Kubernetes' own layout, which applications watch.
 */
async function project(dir: string, files: readonly ProjectedFile[]): Promise<void> {
  const version = `..${process.hrtime.bigint()}`;
  await mkdir(join(dir, version), { recursive: true });
  for (const file of files) {
    const path = normalize(file.path);
    if (path.startsWith("..") || path.startsWith("/")) {
      throw new TriremeError("Invalid", `path "${file.path}" leaves its volume`);
    }
    await mkdir(dirname(join(dir, version, path)), { recursive: true });
    await writeFile(join(dir, version, path), file.data, { mode: file.mode });
    await chmod(join(dir, version, path), file.mode);
  }
  await symlink(version, join(dir, "..data_tmp")).catch(() => undefined);
  await rename(join(dir, "..data_tmp"), join(dir, "..data"));
  const wanted = new Set(files.map((file) => normalize(file.path).split("/")[0]!));
  for (const name of wanted) {
    await symlink(join("..data", name), join(dir, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
  for (const entry of await readdir(dir)) {
    const stale = entry.startsWith("..") ? entry !== "..data" && entry !== version : !wanted.has(entry);
    if (stale) await rm(join(dir, entry), { recursive: true, force: true });
  }
}
