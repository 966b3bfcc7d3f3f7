import { X509Certificate } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { release } from "node:os";
import { dirname } from "node:path";
import { errorFrom } from "@trireme/base";
import type { HostRole, ServerAddress } from "@trireme/pki";
import { knownServers, readHostFile } from "../join/files.ts";
import { run } from "../local/shell.ts";
import { PORTS } from "../plan/cluster-plan.ts";
import { readLivePid } from "../supervisor/process-id.ts";
import { removedReason } from "../supervisor/removed.ts";
import type { Facts, ProgramFact, ServerFact } from "./judge.ts";

/** Syncs that are timed; the middle one counts. */
const SYNCS = 15;
const BLOCK_BYTES = 4096;
const ANSWER_WITHIN_MS = 3_000;
const DAY_MS = 86_400_000;

const PROGRAMS: readonly (readonly [
  name: string,
  debianPackage: string,
  command: readonly string[],
  role?: HostRole,
])[] = [
  ["nats-server", "nats-server", ["nats-server", "--version"], "server"],
  ["containerd", "containerd", ["containerd", "--version"], "node"],
  ["runc", "runc", ["runc", "--version"], "node"],
  ["nft", "nftables", ["nft", "--version"], "node"],
  ["ip", "iproute2", ["ip", "-V"]],
];

const SERVER_PORTS: readonly (readonly [port: number, purpose: string, process: string])[] = [
  [PORTS.https, "API", "control"],
  [PORTS.grpc, "gRPC API", "control"],
  [PORTS.storeClient, "store, clients", "store"],
  [PORTS.storePeer, "store, members", "store"],
  [PORTS.natsClient, "NATS, clients", "nats"],
  [PORTS.natsRoutes, "NATS, servers", "nats"],
];
const NODE_PORTS: typeof SERVER_PORTS = [
  [PORTS.agentHttps, "agent, metrics", "agent"],
  [PORTS.agentGrpc, "agent, streams", "agent"],
  [PORTS.dns, "cluster DNS", "dns"],
];

/** Looks at this machine: what it is or, where it has not joined, what it is to become. */
export async function examine(dataDir: string, role?: HostRole, address?: string): Promise<Facts> {
  const file = readHostFile(dataDir);
  const is = file?.role ?? role;
  const servers = file === undefined ? [] : knownServers(dataDir, file);
  const ports = [...(is === "node" ? [] : SERVER_PORTS), ...(is === "server" ? [] : NODE_PORTS)];
  const at = file?.address ?? address;
  return {
    kernel: release(),
    isRoot: process.getuid?.() === 0,
    cgroupControllers: readControllers(),
    programs: await Promise.all(
      PROGRAMS.filter(([, , , of]) => of === undefined || is === undefined || of === is).map(programFact),
    ),
    takenPorts: await takenPorts(dataDir, ports, at),
    fsyncMs: timeSync(dataDir),
    freeBytes: freeBytes(dataDir),
    servers: await Promise.all(servers.map((server) => askServer(server, `${dataDir}/pki/ca.crt`))),
    certificates: readCertificates(`${dataDir}/pki`),
    removed: removedReason({ dir: dataDir }),
  };
}

function readControllers(): Set<string> {
  const v2 = "/sys/fs/cgroup/cgroup.controllers";
  const names = existsSync(v2) ? readFileSync(v2, "utf8").trim().split(" ") : [];
  for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
    const [, , type, options = ""] = line.split(" ");
    if (type === "cgroup") names.push(...options.split(","));
  }
  return new Set(names);
}

async function programFact([name, debianPackage, command]: (typeof PROGRAMS)[number]): Promise<ProgramFact> {
  try {
    const { stdout, stderr } = await run(command);
    return { name, debianPackage, version: (stdout || stderr).trim().split("\n")[0] };
  } catch {
    return { name, debianPackage, version: undefined }; // It cannot run: that is the fact.
  }
}

/** Ports that cannot be had and are not held by this machine's own processes. */
async function takenPorts(
  dataDir: string,
  ports: typeof SERVER_PORTS,
  address: string | undefined,
): Promise<Facts["takenPorts"]> {
  const taken: { port: number; purpose: string }[] = [];
  for (const [port, purpose, process] of ports) {
    if (readLivePid(`${dataDir}/run/${process}.pid`) !== undefined) continue;
    if (!(await isFree(port, address))) taken.push({ port, purpose });
  }
  return taken;
}

function isFree(port: number, address = "0.0.0.0"): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "EADDRINUSE"));
    probe.listen(port, address, () => probe.close(() => resolve(true)));
  });
}

function timeSync(dataDir: string): number | undefined {
  const path = `${dataDir}/doctor.tmp`;
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const file = openSync(path, "w", 0o600);
    try {
      const times = Array.from({ length: SYNCS }, () => {
        const started = performance.now();
        writeSync(file, Buffer.alloc(BLOCK_BYTES, 1));
        fsyncSync(file);
        return performance.now() - started;
      });
      return times.toSorted((a, b) => a - b)[Math.floor(SYNCS / 2)];
    } finally {
      closeSync(file);
      rmSync(path, { force: true });
    }
  } catch {
    return undefined; // It cannot be written: that is the fact.
  }
}

function freeBytes(dataDir: string): number | undefined {
  const dir = existsSync(dataDir) ? dataDir : dirname(dataDir);
  if (!existsSync(dir)) return undefined;
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}

function askServer({ name, address }: ServerAddress, caFile: string): Promise<ServerFact> {
  return new Promise((resolve) => {
    const fail = (problem: string): void => resolve({ name, address, problem });
    if (!existsSync(caFile)) return fail(`${caFile} is missing`);
    const ca = readFileSync(caFile);
    const asked = request({ host: address, port: PORTS.https, path: "/readyz", ca, agent: false });
    asked.setTimeout(ANSWER_WITHIN_MS, () => asked.destroy(new Error(`no answer in ${ANSWER_WITHIN_MS / 1000} s`)));
    asked.on("error", (error) => fail(errorFrom(error).message));
    asked.on("response", (response) => {
      response.resume();
      // To the second: it is what HTTP tells.
      const date = Date.parse(response.headers.date ?? "");
      const skew = Math.abs(date - Date.now()) < 1500 ? 0 : date - Date.now();
      const clock = Number.isNaN(date) ? {} : { clockSkewMs: skew };
      resolve({ name, address, readyStatus: response.statusCode, ...clock });
    });
    asked.end();
  });
}

function readCertificates(dir: string): Facts["certificates"] {
  if (!existsSync(dir)) return [];
  const files = readdirSync(dir).filter((file) => file.endsWith(".crt"));
  return files.map((file) => {
    const { validTo } = new X509Certificate(readFileSync(`${dir}/${file}`));
    return { file, daysLeft: (Date.parse(validTo) - Date.now()) / DAY_MS };
  });
}
