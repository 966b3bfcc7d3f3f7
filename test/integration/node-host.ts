// A node of its own for a test: network namespace, containerd and two images made by hand (platform notes A.1, A.2, A.7).
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";

const sh = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** A host that runs pods. */
export interface NodeHost {
  readonly dir: string;
  readonly netns: string;
  readonly address: string;
  readonly socket: string;
  readonly cgroupParent: string;
  readonly containerd: ChildProcess;
  /** Runs a program inside the host's network. */
  spawn(command: string, args: readonly string[], options?: { stderr?: "inherit" | "ignore" }): ChildProcess;
  run(command: string, ...args: string[]): string;
  ctr(...args: string[]): string;
  destroy(): void;
}

/** Writes a ustar archive of regular files, directories and symbolic links. */
function tar(entries: { name: string; data?: Buffer; mode?: number; link?: string; dir?: boolean }[]): Buffer {
  const blocks: Buffer[] = [];
  for (const entry of entries) {
    const header = Buffer.alloc(512);
    const data = entry.data ?? Buffer.alloc(0);
    header.write(entry.name, 0);
    header.write(`${(entry.mode ?? 0o644).toString(8).padStart(7, "0")}\0`, 100);
    header.write("0000000\0", 108);
    header.write("0000000\0", 116);
    header.write(`${data.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write("00000000000\0", 136);
    header.write("        ", 148);
    header.write(entry.dir ? "5" : entry.link === undefined ? "0" : "2", 156);
    if (entry.link !== undefined) header.write(entry.link, 157);
    header.write("ustar\0", 257);
    header.write("00", 263);
    const sum = header.reduce((a, b) => a + b, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    blocks.push(header, data, Buffer.alloc((512 - (data.length % 512)) % 512));
  }
  blocks.push(Buffer.alloc(1024));
  return Buffer.concat(blocks);
}

/** A docker archive with one layer. */
function image(name: string, layer: Buffer, config: object): Buffer {
  const diff = `sha256:${createHash("sha256").update(layer).digest("hex")}`;
  const body = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", config, rootfs: { type: "layers", diff_ids: [diff] } }),
  );
  const id = createHash("sha256").update(body).digest("hex");
  const manifest = [{ Config: `${id}.json`, RepoTags: [name], Layers: ["layer.tar"] }];
  return tar([
    { name: "layer.tar", data: layer },
    { name: `${id}.json`, data: body },
    { name: "manifest.json", data: Buffer.from(JSON.stringify(manifest)) },
  ]);
}

/** pause(2) in a loop: 64 bytes of ELF header, 56 of program header, 9 of code. */
function pauseImage(): Buffer {
  const code = Buffer.from("b8220000000f05ebf7", "hex");
  const elf = Buffer.alloc(120);
  Buffer.from("7f454c46020101", "hex").copy(elf);
  elf.writeUInt16LE(2, 16);
  elf.writeUInt16LE(62, 18);
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(0x400078n, 24);
  elf.writeBigUInt64LE(64n, 32);
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56);
  elf.writeUInt32LE(1, 64);
  elf.writeUInt32LE(5, 68);
  elf.writeBigUInt64LE(0x400000n, 80);
  elf.writeBigUInt64LE(0x400000n, 88);
  elf.writeBigUInt64LE(BigInt(120 + code.length), 96);
  elf.writeBigUInt64LE(BigInt(120 + code.length), 104);
  elf.writeBigUInt64LE(0x1000n, 112);
  const layer = tar([{ name: "pause", data: Buffer.concat([elf, code]), mode: 0o755 }]);
  return image("local.test/pause:1", layer, { Entrypoint: ["/pause"] });
}

function busyboxImage(): Buffer {
  const names = sh("/bin/busybox", "--list").trim().split("\n");
  const layer = tar([
    { name: "bin/", dir: true, mode: 0o755 },
    { name: "tmp/", dir: true, mode: 0o1777 },
    { name: "etc/", dir: true, mode: 0o755 },
    { name: "bin/busybox", data: readFileSync("/bin/busybox"), mode: 0o755 },
    ...names.filter((n) => n !== "busybox").map((n) => ({ name: `bin/${n}`, link: "busybox", mode: 0o777 })),
  ]);
  return image("local.test/busybox:1", layer, { Cmd: ["sh"], Env: ["PATH=/bin"] });
}

/** Creates a host with its own network `172.30.<octet>.0/24`, a running containerd and the two images. */
export async function createNodeHost(octet: number, podCidr?: string): Promise<NodeHost> {
  const netns = `nt-${process.pid}-${octet}`;
  const link = `ntv${octet}`;
  const gateway = `172.30.${octet}.254`;
  const address = `172.30.${octet}.1`;
  const dir = mkdtempSync("/tmp/nt-host-");
  const cgroupParent = `/trireme-test/${netns}`;
  sh("ip", "netns", "add", netns);
  sh("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", netns);
  sh("ip", "addr", "add", `${gateway}/24`, "dev", link);
  sh("ip", "link", "set", link, "up");
  sh("ip", "-n", netns, "addr", "add", `${address}/24`, "dev", "eth0");
  sh("ip", "-n", netns, "link", "set", "eth0", "up");
  sh("ip", "-n", netns, "link", "set", "lo", "up");
  sh("ip", "-n", netns, "route", "add", "default", "via", gateway);
  mkdirSync(join(dir, "cni"));
  writeFileSync(
    join(dir, "config.toml"),
    `version = 2
root = "${dir}/root"
state = "${dir}/state"
[grpc]
  address = "${dir}/containerd.sock"
[ttrpc]
  address = "${dir}/ttrpc.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "${dir}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "local.test/pause:1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${dir}/cni"
`,
  );
  if (podCidr !== undefined) writeFileSync(join(dir, "cni/10-pods.conflist"), testConflist(dir, podCidr));
  const enter = (command: string, args: readonly string[]): string[] => [`--net=/run/netns/${netns}`, command, ...args];
  const log = await import("node:fs").then((fs) => fs.openSync(join(dir, "containerd.log"), "a"));
  const containerd = spawn("nsenter", enter("containerd", ["-c", join(dir, "config.toml")]), {
    stdio: ["ignore", log, log],
    detached: true,
  });
  const socket = join(dir, "containerd.sock");
  const ctr = (...args: string[]): string => sh("ctr", "-a", socket, "-n", "k8s.io", ...args);
  for (let attempt = 0; ; attempt++) {
    try {
      ctr("version");
      break;
    } catch (error) {
      if (attempt > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  for (const [file, bytes] of [
    ["pause.tar", pauseImage()],
    ["busybox.tar", busyboxImage()],
  ] as const) {
    writeFileSync(join(dir, file), bytes);
    ctr("images", "import", join(dir, file));
  }
  return {
    dir,
    netns,
    address,
    socket,
    cgroupParent,
    containerd,
    ctr,
    spawn: (command, args, options) =>
      spawn("nsenter", enter(command, args), { stdio: ["pipe", "pipe", options?.stderr ?? "inherit"] }),
    run: (command, ...args) => sh("nsenter", ...enter(command, args)),
    destroy: () => destroy({ dir, netns, link, containerd, socket, cgroupParent }),
  };
}

function testConflist(dir: string, subnet: string): string {
  const ipam = {
    type: "host-local",
    dataDir: `${dir}/ipam`,
    ranges: [[{ subnet }]],
    routes: [{ dst: "0.0.0.0/0" }],
  };
  const bridge = { type: "bridge", bridge: "cni0", isGateway: true, ipMasq: false, hairpinMode: true, ipam };
  const portmap = { type: "portmap", capabilities: { portMappings: true }, snat: true };
  return JSON.stringify({ cniVersion: "0.4.0", name: "pods", plugins: [bridge, portmap] });
}

function destroy(host: {
  dir: string;
  netns: string;
  link: string;
  containerd: ChildProcess;
  socket: string;
  cgroupParent: string;
}): void {
  // Every process whose cgroup is ours, then containerd and its shims, which name our socket or directory.
  host.containerd.kill("SIGKILL");
  for (const pid of processesOf(host)) tryTo(() => process.kill(pid, "SIGKILL"));
  for (let round = 0; round < 20 && processesOf(host).length > 0; round++) sh("sleep", "0.1");
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path.startsWith(`${host.dir}/`))
    .toSorted((a, b) => b.length - a.length);
  for (const mount of mounts) tryTo(() => sh("umount", "-l", mount));
  tryTo(() => sh("ip", "netns", "del", host.netns));
  tryTo(() => sh("ip", "link", "del", host.link));
  rmSync(host.dir, { recursive: true, force: true });
  tryTo(() =>
    sh(
      "sh",
      "-c",
      `find /sys/fs/cgroup -depth -type d \\( -path '*${host.cgroupParent}*' -o -name trireme-test \\) -exec rmdir {} \\; 2>/dev/null || true`,
    ),
  );
}

function processesOf(host: { dir: string; cgroupParent: string }): number[] {
  const out: number[] = [];
  for (const entry of sh("ls", "/proc")
    .split("\n")
    .filter((name) => /^\d+$/.test(name))) {
    try {
      const ours =
        readFileSync(`/proc/${entry}/cgroup`, "utf8").includes(`${host.cgroupParent}/`) ||
        readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(`${host.dir}/`);
      if (ours && Number(entry) !== process.pid) out.push(Number(entry));
    } catch {
      continue; // It ended while we looked.
    }
  }
  return out;
}

function tryTo(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    if (process.env["DEBUG"] !== undefined) console.error(String(error));
  }
}
