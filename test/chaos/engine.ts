import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { must, run, within } from "../e2e/process.ts";

/** A Docker engine that answers. */
export interface Engine {
  /** For DOCKER_HOST. */
  readonly url: string;
  readonly isPrivate: boolean;
  /** Gives this machine's root namespace an address in a network of the engine, if it has none yet. */
  reach(bridge: string, address: string): Promise<void>;
  /** Ends a private engine with all that it holds; leaves another engine running. */
  stop(): Promise<void>;
}

/** All of a private engine: images, volumes, containers. Removed with it. */
const DIR = "/var/lib/trireme-chaos";
const SOCKET = `${DIR}/docker.sock`;
/** The parent of all containers' cgroups. */
const CGROUP = "trireme-chaos";
/** Our end of the one link into the engine's network namespace. */
const LINK = "trichaos0";
/** Compared with other groups of processes; as for local clusters, whose heartbeats must not starve beside a compiler. */
const CPU_SHARES = 8 * 1024;
const START_MS = 60_000;

/** The engine that answers at DOCKER_HOST or at the usual socket, else one of our own. */
export async function openEngine(): Promise<Engine> {
  const usual = process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock";
  if (await answers(usual)) {
    return { url: usual, isPrivate: false, reach: () => Promise.resolve(), stop: () => Promise.resolve() };
  }
  return startPrivateEngine();
}

async function answers(url: string): Promise<boolean> {
  const path = url.replace(/^unix:\/\//, "");
  if (path === url || !existsSync(path)) return false;
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.setTimeout(2_000, () => socket.destroy()).once("error", () => resolve(false));
    socket.once("data", (data) => resolve(/^HTTP\/1\.\d 200/.test(String(data)))).once("close", () => resolve(false));
    socket.write("GET /_ping HTTP/1.0\r\n\r\n");
  });
}

/**
 * dockerd in namespaces of its own for processes, mounts, network and IPC: what it starts ends with it, what it mounts is
 * seen by nobody else, and neither its bridge nor its rules touch the machine's other networks. It sets no rules at all:
 * containers of one bridge reach each other without, and nothing else is to be reached.
 */
async function startPrivateEngine(): Promise<Engine> {
  if (await answers(`unix://${SOCKET}`)) throw new Error(`another run has its engine at ${SOCKET}; one at a time`);
  await removeRemains();
  mkdirSync(DIR, { recursive: true, mode: 0o700 });
  makeCgroup();
  const config = {
    "data-root": `${DIR}/data`,
    "exec-root": `${DIR}/exec`,
    pidfile: `${DIR}/dockerd.pid`,
    hosts: [`unix://${SOCKET}`],
    bridge: "none",
    iptables: false,
    "ip-forward": false,
    "ip-masq": false,
    "userland-proxy": false,
    "storage-driver": "overlay2",
    "cgroup-parent": `/${CGROUP}`,
    "log-opts": { "max-size": "20m" },
  };
  writeFileSync(`${DIR}/daemon.json`, JSON.stringify(config));
  // Shims of containerd keep their sockets in a folder of the machine.
  const boot = `set -e
mount --make-rprivate /
mkdir -p /run/containerd
mount -t tmpfs tmpfs /run/containerd
ip link set lo up
exec dockerd --config-file ${DIR}/daemon.json`;
  const log = openSync(`${DIR}/dockerd.log`, "a");
  // It ends with the process that starts it, however that ends.
  const own = ["unshare", "--mount", "--pid", "--fork", "--net", "--ipc", "--mount-proc", "--kill-child"];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...own, "sh", "-c", boot], {
    stdio: ["ignore", log, log],
    detached: true,
  });
  const failed = new Promise<never>((_, reject) => {
    child.once("error", reject).once("exit", (code) => {
      reject(new Error(`dockerd ended with ${code}: ${readFileSync(`${DIR}/dockerd.log`, "utf8").slice(-2_000)}`));
    });
  });
  failed.catch(() => undefined);
  const url = `unix://${SOCKET}`;
  const stop = async (): Promise<void> => {
    const gone = new Promise((resolve) => child.once("exit", resolve));
    if (child.exitCode === null && child.kill("SIGKILL")) await gone;
    await removeRemains();
  };
  const ready = within(START_MS, "dockerd answers", async () => {
    if (!(await answers(url))) throw new Error(readFileSync(`${DIR}/dockerd.log`, "utf8").slice(-500));
  });
  try {
    await Promise.race([ready, failed]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    isPrivate: true,
    reach: (bridge, address) => reach(child, bridge, address),
    stop,
  };
}

/** One veth link from the root namespace to the engine's bridge, as a cable plugged into a switch. */
async function reach(child: ChildProcess, bridge: string, address: string): Promise<void> {
  const inside = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ")[0]!;
  const enter = ["--net", "--target", inside, "ip"];
  await must("ip", ["link", "add", LINK, "type", "veth", "peer", "name", "root", "netns", inside]);
  await must("nsenter", [...enter, "link", "set", "root", "master", bridge, "up"]);
  await must("ip", ["addr", "add", address, "dev", LINK]);
  await must("ip", ["link", "set", LINK, "up"]);
}

/** The roots of the cgroup hierarchies that this machine mounts. */
function cgroupRoots(): string[] {
  return readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .flatMap(([, path = "", type]) => (type === "cgroup" || type === "cgroup2" ? [path] : []));
}

function makeCgroup(): void {
  for (const root of cgroupRoots()) {
    const shares = join(root, CGROUP, "cpu.shares");
    if (!existsSync(join(root, "cpu.shares"))) continue;
    mkdirSync(join(root, CGROUP), { recursive: true });
    writeFileSync(shares, String(CPU_SHARES));
  }
}

/** Takes away what a private engine leaves, also one that was killed: its files, cgroups and link. Its processes are dead. */
async function removeRemains(): Promise<void> {
  await run("ip", ["link", "del", LINK]);
  await within(20_000, "the engine's cgroups are empty", () =>
    cgroupRoots().forEach((it) => removeGroups(join(it, CGROUP))),
  );
  await within(20_000, `${DIR} can be removed`, () => rmSync(DIR, { recursive: true, force: true }));
}

function removeGroups(path: string): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroups(join(path, entry.name));
  }
  rmdirSync(path);
}
