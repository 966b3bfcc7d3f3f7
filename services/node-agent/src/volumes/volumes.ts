import type { Stats } from "node:fs";
import {
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rm,
  stat,
  symlink,
  unlink,
  writeFile as write,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Container, PersistentVolume, Pod, Volume } from "@trireme/api";
import { parseQuantity } from "@trireme/api";
import { TriremeError, errorFrom, hasCode } from "@trireme/base";
import type { EnvironmentSources, KeyValues } from "../pods/environment.ts";
import { subPathOf } from "../pods/cri-config.ts";
import { isWritten, writeAtomically } from "./atomic-files.ts";
import type { ClaimSource } from "./claims.ts";
import { existingLocalPath, localPathOf, makeLocalPath } from "./claims.ts";
import type { ConfigSource } from "./config-source.ts";
import { bindDescriptor, mountTmpfs, removeTree, unmountAll } from "./mounts.ts";
import { giveToGroup } from "./ownership.ts";
import type { ConfigLookup } from "./payload.ts";
import { configNeeds, isProjected, payloadOf, tokenNeeds } from "./payload.ts";
import { openInside } from "./safe-path.ts";
import type { TokenSource } from "./tokens.ts";

/** A pod's own files that we read back are short; Kubernetes' bound for a termination message. */
const MAX_READ_BYTES = 4096;
/** Room for the files of one Secret: it holds 1 MiB at most, for a moment twice, and a projected volume gathers some. */
const SECRET_TMPFS_BYTES = 32 * 1024 * 1024;

/** A volume that is ready to be mounted in containers. */
export interface PreparedVolume {
  /** Its path on the node. */
  readonly path: string;
  /** Containers may not write in it, whatever their mounts say. */
  readonly readOnly: boolean;
}

/** Makes a pod's volumes on the node and takes them away again. Everything of one pod is below `<root>/<uid>`. */
export interface Volumes {
  /** Idempotent. Answers each volume by name. */
  prepare(pod: Pod, sources: EnvironmentSources): Promise<ReadonlyMap<string, PreparedVolume>>;
  /** Writes the files of the volumes that come from the API again, from these objects. */
  refresh(pod: Pod, sources: EnvironmentSources, lookup: ConfigLookup): Promise<void>;
  /** Paths on the node of a container's mounts that have a subPath, by their index: safe from links that lead out. */
  bindSubPaths(
    uid: string,
    container: Container,
    volumes: ReadonlyMap<string, PreparedVolume>,
    env: ReadonlyMap<string, string>,
  ): Promise<ReadonlyMap<number, string>>;
  /** A file of the pod's own, such as its /etc/hosts. */
  writeFile(uid: string, name: string, text: string, mode?: number): Promise<string>;
  /** The beginning of such a file, by default as much as a termination message may hold; empty when there is none. */
  readFile(uid: string, name: string, maxBytes?: number): Promise<string>;
  remove(uid: string): Promise<void>;
  /** The pods of which something is left. */
  uids(): Promise<string[]>;
  /** Paths of persistent volumes that a pod of which something is left may still use. */
  pathsInUse(): Promise<ReadonlySet<string>>;
  /** The directory that a pod was given for a volume of a claim; undefined before that. */
  claimPath(uid: string, volume: string): Promise<string | undefined>;
}

/** What volumes are made from. */
export interface VolumesOptions {
  /** Everything of the pods is below. */
  readonly root: string;
  readonly config: ConfigSource;
  /** Without it pods can not use claims. */
  readonly claims?: ClaimSource;
  /** Without it pods can not carry tokens. */
  readonly tokens?: TokenSource;
  /** The name of the node, and the directory of its volumes of the built-in class. */
  readonly node: string;
  readonly localPathRoot: string;
}

/** Volumes below one directory. */
export function createVolumes({ root, config, claims, tokens, node, localPathRoot }: VolumesOptions): Volumes {
  const dirOf = (uid: string): string => {
    if (!/^[\w-]+$/.test(uid)) throw new TriremeError("Invalid", `pod uid "${uid}" is no plain name`);
    return join(root, uid);
  };

  /** One thing at a time for each pod: two writers of one volume would remove each other's files. */
  const turns = new Map<string, Promise<unknown>>();
  function inTurn<T>(uid: string, task: () => Promise<T>): Promise<T> {
    const turn = (turns.get(uid) ?? Promise.resolve()).then(task, task);
    turns.set(uid, turn);
    const end = (): void => void (turns.get(uid) === turn && turns.delete(uid));
    turn.then(end, end);
    return turn;
  }

  async function prepareOne(volume: Volume, pod: Pod, base: string, write: ProjectedWriter): Promise<PreparedVolume> {
    const path = join(base, "volumes", volume.name);
    if (volume.hostPath !== undefined) {
      return { path: await hostPath(volume.hostPath.path, volume.hostPath.type ?? ""), readOnly: false };
    }
    if (volume.emptyDir !== undefined) {
      await emptyDir(path, volume.emptyDir.medium === "Memory", volume.emptyDir.sizeLimit);
      await toGroup(pod, path);
      return { path, readOnly: false };
    }
    if (volume.persistentVolumeClaim !== undefined) {
      const { claimName, readOnly = false } = volume.persistentVolumeClaim;
      if (claims === undefined) throw new TriremeError("Invalid", "this agent has no claims");
      let found: PersistentVolume;
      try {
        found = await claims.volumeOf(pod.metadata.namespace ?? "default", claimName);
      } catch (error) {
        // A pod that had it keeps it while no server answers: nothing of it can have gone meanwhile.
        const kept = isAway(error) ? await noted(base, volume.name) : undefined;
        if (kept === undefined) throw error;
        return { path: kept, readOnly };
      }
      const source = await persistentPath(found, (where) => note(base, volume.name, where));
      if (found.spec.hostPath === undefined && !readOnly) await toGroup(pod, source);
      return { path: source, readOnly };
    }
    if (isProjected(volume)) {
      await write(volume, path);
      return { path, readOnly: true };
    }
    const kind = Object.keys(volume).find((key) => key !== "name") ?? "nothing";
    throw new TriremeError(
      "Invalid",
      `volumes of kind ${kind} are not supported: this node makes emptyDir, hostPath, configMap, secret, downwardAPI, projected and persistentVolumeClaim volumes`,
    );
  }

  /** Where a persistent volume is on this node. It is noted as in use before anyone can use it. */
  async function persistentPath(volume: PersistentVolume, noteUse: (path: string) => Promise<void>): Promise<string> {
    const { hostPath: plain, local } = volume.spec;
    if (plain !== undefined) return hostPath(plain.path, plain.type ?? "");
    if (local === undefined) {
      throw new TriremeError("Invalid", `PV "${volume.metadata.name}" is of a kind that this node can not mount`);
    }
    const own = localPathOf(volume, localPathRoot, node);
    await noteUse(own ?? local.path);
    if (own === undefined) return existingLocalPath(local.path);
    await makeLocalPath(own);
    return own;
  }

  async function prepareAll(pod: Pod, sources: EnvironmentSources): Promise<Map<string, PreparedVolume>> {
    const base = dirOf(pod.metadata.uid ?? "");
    await mkdir(join(base, "files"), { recursive: true });
    const namespace = pod.metadata.namespace ?? "default";
    const data = new Map<string, KeyValues | undefined>();
    let away: unknown;
    for (const { kind, name } of configNeeds(pod)) {
      try {
        data.set(`${kind}/${name}`, await config.get(kind, namespace, name));
      } catch (error) {
        if (!isAway(error)) throw error;
        away = error;
        break;
      }
    }
    const writer: ProjectedWriter = async (volume, path) => {
      try {
        const needs = configNeeds({ ...pod, spec: { ...pod.spec, volumes: [volume] } });
        if (away !== undefined && needs.length > 0) throw away;
        const lookup: ConfigLookup = ({ kind, name }) => data.get(`${kind}/${name}`);
        await writeProjected(volume, path, pod, sources, lookup, tokens);
      } catch (error) {
        // Files that are there stay as they were while no server answers.
        if (!isAway(error) || !(await isWritten(path))) throw error;
      }
    };
    const out = new Map<string, PreparedVolume>();
    for (const volume of pod.spec.volumes ?? []) {
      try {
        out.set(volume.name, await prepareOne(volume, pod, base, writer));
      } catch (thrown) {
        const error = errorFrom(thrown);
        const message = `MountVolume.SetUp failed for volume "${volume.name}" : ${error.message}`;
        throw new TriremeError(error.code, message, { cause: error });
      }
    }
    return out;
  }

  async function refreshAll(pod: Pod, sources: EnvironmentSources, lookup: ConfigLookup): Promise<void> {
    const base = dirOf(pod.metadata.uid ?? "");
    for (const volume of (pod.spec.volumes ?? []).filter(isProjected)) {
      await writeProjected(volume, join(base, "volumes", volume.name), pod, sources, lookup, tokens);
    }
  }

  return {
    prepare: (pod, sources) => inTurn(pod.metadata.uid ?? "", () => prepareAll(pod, sources)),
    refresh: (pod, sources, lookup) => inTurn(pod.metadata.uid ?? "", () => refreshAll(pod, sources, lookup)),
    async bindSubPaths(uid, container, volumes, env) {
      const out = new Map<number, string>();
      for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
        const volume = volumes.get(mount.name);
        const sub = subPathOf(mount, env);
        if (volume === undefined || sub === "") continue;
        const target = join(dirOf(uid), "subpaths", mount.name, container.name, String(index));
        await bindSubPath(volume, sub, target);
        out.set(index, target);
      }
      return out;
    },
    async writeFile(uid, name, text, mode = 0o644) {
      const path = join(dirOf(uid), "files", name);
      await mkdir(dirname(path), { recursive: true });
      await write(path, text, { mode });
      // The process's umask must not take from what a container's user needs.
      if (mode !== 0o644) await chmod(path, mode);
      return path;
    },
    async readFile(uid, name, maxBytes = MAX_READ_BYTES) {
      const handle = await open(join(dirOf(uid), "files", name), "r").catch(() => undefined);
      if (handle === undefined) return "";
      try {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
        return buffer.toString("utf8", 0, bytesRead);
      } finally {
        await handle.close();
      }
    },
    remove: (uid) => inTurn(uid, () => removeTree(dirOf(uid))),
    uids: () => directoriesIn(root),
    claimPath: (uid, volume) => noted(dirOf(uid), volume),
    async pathsInUse() {
      const paths = new Set<string>();
      for (const uid of await directoriesIn(root)) {
        const notes = join(root, uid, NOTES);
        for (const name of await readdir(notes).catch(ifAbsent([]))) paths.add(await readlink(join(notes, name)));
      }
      return paths;
    },
  };
}

type ProjectedWriter = (volume: Volume, path: string) => Promise<void>;

/** Below a pod's directory: one link for each persistent volume that it uses, which survives the agent. */
const NOTES = "claims";

async function note(base: string, volume: string, path: string): Promise<void> {
  const link = join(base, NOTES, volume);
  await mkdir(dirname(link), { recursive: true });
  await rm(link, { force: true });
  await symlink(path, link);
}

/** The path that a pod was given for a claim before. */
function noted(base: string, volume: string): Promise<string | undefined> {
  return readlink(join(base, NOTES, volume)).catch(ifAbsent(undefined));
}

/** Whether no server has answered: nothing is known of an object then. */
function isAway(error: unknown): boolean {
  return hasCode(error, "ServiceUnavailable") || hasCode(error, "Timeout");
}

async function writeProjected(
  volume: Volume,
  path: string,
  pod: Pod,
  sources: EnvironmentSources,
  lookup: ConfigLookup,
  tokens: TokenSource | undefined,
): Promise<void> {
  const values = new Map<object, string>();
  for (const want of tokenNeeds(volume)) {
    if (tokens === undefined) throw new TriremeError("Invalid", "this agent has no tokens");
    values.set(want, await tokens.get(pod, want));
  }
  const files = payloadOf(volume, pod, sources, lookup, (want) => values.get(want) ?? "");
  // As in kubelet: only a ConfigMap is nothing to hide.
  if (volume.configMap === undefined) await mountTmpfs(path, { sizeBytes: SECRET_TMPFS_BYTES, noSwap: true });
  const gid = pod.spec.securityContext?.fsGroup;
  await writeAtomically(path, files, async (fresh) => {
    if (gid !== undefined) await giveToGroup(fresh, gid, { readOnly: true });
  });
}

async function toGroup(pod: Pod, path: string): Promise<void> {
  const { fsGroup, fsGroupChangePolicy } = pod.spec.securityContext ?? {};
  if (fsGroup === undefined) return;
  await giveToGroup(path, fsGroup, { onRootMismatch: fsGroupChangePolicy === "OnRootMismatch" });
}

/**
 * Binds a path of a volume on a place of the pod's own, by descriptor: between this and the container's start nobody can put
 * something else in its place, and no link on the way leads out of the volume.
 */
async function bindSubPath(volume: PreparedVolume, sub: string, target: string): Promise<void> {
  // What is missing is made with the volume's own mode, as kubelet does.
  const make = volume.readOnly ? undefined : { mode: (await stat(volume.path)).mode & 0o7777 };
  const handle = await openInside(volume.path, sub, make);
  try {
    const isDirectory = (await handle.stat()).isDirectory();
    // An earlier instance of the container had its own: a ConfigMap's file may be another one now.
    await unmountAll(target);
    const present = await lstat(target).catch(() => undefined);
    if (present !== undefined && present.isDirectory() !== isDirectory) {
      await (present.isDirectory() ? rm(target, { recursive: true }) : unlink(target));
    }
    await mkdir(isDirectory ? target : dirname(target), { recursive: true });
    if (!isDirectory) await write(target, "", { flag: "a" });
    await bindDescriptor(handle.fd, target);
  } finally {
    await handle.close();
  }
}

/** What a hostPath must be by its type, and the words of kubelet's refusal. */
const HOST_PATH_TYPES: Readonly<Record<string, readonly [is: (found: Stats) => boolean, words: string]>> = {
  Directory: [(found) => found.isDirectory(), "a directory"],
  DirectoryOrCreate: [(found) => found.isDirectory(), "a directory"],
  File: [(found) => found.isFile(), "a file"],
  FileOrCreate: [(found) => found.isFile(), "a file"],
  Socket: [(found) => found.isSocket(), "a socket file"],
  CharDevice: [(found) => found.isCharacterDevice(), "a character device"],
  BlockDevice: [(found) => found.isBlockDevice(), "a block device"],
};

async function hostPath(path: string, type: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    if (type === "FileOrCreate") await write(path, "", { mode: 0o644, flag: "a" });
    // Without a type Kubernetes lets the runtime create what is missing; containerd refuses, so we do.
    else if (type === "DirectoryOrCreate" || type === "") await mkdir(path, { recursive: true, mode: 0o755 });
  }
  const rule = HOST_PATH_TYPES[type];
  if (rule !== undefined) {
    const there = found ?? (await stat(path).catch(() => undefined));
    if (there === undefined || !rule[0](there)) {
      throw new TriremeError("NotFound", `hostPath type check failed: ${path} is not ${rule[1]}`);
    }
  }
  return path;
}

async function emptyDir(dir: string, inMemory: boolean, sizeLimit: string | undefined): Promise<void> {
  if (inMemory) {
    return mountTmpfs(dir, sizeLimit === undefined ? {} : { sizeBytes: parseQuantity(sizeLimit).value });
  }
  if ((await lstat(dir).catch(() => undefined)) !== undefined) return;
  await mkdir(dir, { recursive: true });
  await chmod(dir, 0o777);
}

async function directoriesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(ifAbsent([]));
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** What is not there is empty; what can not be read must not be taken for empty, or data in use would be removed. */
function ifAbsent<T>(answer: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code !== "ENOENT") throw error;
    return answer;
  };
}
