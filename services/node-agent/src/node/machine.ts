import { readFile, statfs } from "node:fs/promises";
import { arch, availableParallelism, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Clock } from "@trireme/base";
import { sleep } from "@trireme/base";
import type { Cri } from "@trireme/cri";
import type { MachineFacts, NodeHealth } from "./node-object.ts";

/** The Kubernetes version whose behaviour the agent follows, as tools compare it. */
const KUBERNETES_VERSION = "v1.34.0";
/** Below these the node says that it is under pressure; kubelet's own defaults. */
const MIN_MEMORY_BYTES = 100 * 1024 * 1024;
const MIN_DISK_SHARE = 0.1;
/** A big disk may fill further: beyond this much free space there is no pressure, whatever the share. */
const ENOUGH_DISK_BYTES = 5 * 1024 * 1024 * 1024;

const RUNTIME_ATTEMPTS = 50;
const RUNTIME_PAUSE_MS = 100;

/** Reads what the machine is. */
export async function readMachine(name: string, address: string, dir: string, cri: Cri): Promise<MachineFacts> {
  const disk = await statfs(dir);
  const runtime = await runtimeVersion(cri);
  return {
    name,
    address,
    localPathRoot: join(dir, "local-path"),
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    diskBytes: disk.blocks * disk.bsize,
    architecture: arch() === "x64" ? "amd64" : arch(),
    kernelVersion: release(),
    osImage: await osImage(),
    machineId: await textOf("/etc/machine-id"),
    bootId: await textOf("/proc/sys/kernel/random/boot_id"),
    runtimeVersion: `${runtime.runtimeName}://${runtime.runtimeVersion}`,
    agentVersion: KUBERNETES_VERSION,
  };
}

/** The runtime may be starting beside us: it is given some seconds to say what it is. */
async function runtimeVersion(cri: Cri): ReturnType<Cri["version"]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await cri.version();
    } catch {
      if (attempt === RUNTIME_ATTEMPTS)
        return { version: "", runtimeName: "unknown", runtimeVersion: "", runtimeApiVersion: "" };
      await sleep(RUNTIME_PAUSE_MS);
    }
  }
}

async function textOf(path: string): Promise<string> {
  return (await readFile(path, "utf8").catch(() => "")).trim();
}

async function osImage(): Promise<string> {
  const text = await textOf("/etc/os-release");
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text)?.[1] ?? "Linux";
}

/** Reads how the node is now. */
export async function readHealth(dir: string, cri: Cri): Promise<NodeHealth> {
  const [memory, disk, runtime] = await Promise.all([
    textOf("/proc/meminfo"),
    statfs(dir).catch(() => undefined),
    cri.status().catch((error: Error) => error),
  ]);
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(memory)?.[1] ?? "0") * 1024;
  const free = disk === undefined ? 0 : disk.bavail * disk.bsize;
  const tight = disk !== undefined && free < ENOUGH_DISK_BYTES && free < disk.blocks * disk.bsize * MIN_DISK_SHARE;
  const failed = runtime instanceof Error;
  const of = (type: string): { status: boolean; message: string } | undefined =>
    failed ? undefined : runtime.conditions.find((condition) => condition.type === type);
  return {
    runtimeReady: of("RuntimeReady")?.status ?? false,
    runtimeMessage: failed ? `the container runtime does not answer: ${runtime.message}` : "the runtime is not ready",
    networkReady: of("NetworkReady")?.status ?? false,
    memoryPressure: available > 0 && available < MIN_MEMORY_BYTES,
    diskPressure: tight,
  };
}

/** A runtime that restarts is away for less than this; its pods run on, so the node stays Ready meanwhile. */
const RUNTIME_PATIENCE_MS = 10_000;

/** Health that overlooks a short absence of the runtime, once it has been there. */
export function patientHealth(read: () => Promise<NodeHealth>, clock: Clock): () => Promise<NodeHealth> {
  let good: NodeHealth | undefined;
  let goodAt = 0;
  return async () => {
    const health = await read();
    if (health.runtimeReady && health.networkReady) {
      good = health;
      goodAt = clock.monotonic();
      return health;
    }
    if (good === undefined || clock.monotonic() - goodAt > RUNTIME_PATIENCE_MS) return health;
    const { runtimeReady, runtimeMessage, networkReady } = good;
    return { ...health, runtimeReady, runtimeMessage, networkReady };
  };
}
