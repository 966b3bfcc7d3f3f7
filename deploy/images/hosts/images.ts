import { relative } from "node:path";
import type { DebianLayer, FilesLayer, ImageRecipe } from "../recipe.ts";

/**
 * Machines as containers: a base of Debian packages, a server (control plane) and a node. With a registry at hand any
 * Debian 12 does as the base; see README.md.
 */

/** The base that server and node stand on, unless `docker build --build-arg BASE=` names another. */
export const BASE = "trireme.local/debian:12";

const APPLETS =
  "[ awk basename cat chmod chown cp cut date dd df dirname du echo env expr false find grep head hostname id kill ls mkdir " +
  "mktemp mv nc ps pwd readlink rm rmdir sed sh sleep sort stat sync tail tar test touch tr true uname vi wc which xargs";

/** Folders as Debian has merged them, root, and a shell. */
const layout: FilesLayer = {
  from: "files",
  folders: {
    root: 0o700,
    tmp: 0o1777,
    run: 0o755,
    proc: 0o555,
    sys: 0o555,
    "usr/bin": 0o755,
    "usr/sbin": 0o755,
    "usr/lib": 0o755,
    "usr/lib64": 0o755,
    "var/lib": 0o755,
    "var/log": 0o755,
    "var/tmp": 0o1777,
  },
  links: {
    bin: "usr/bin",
    sbin: "usr/sbin",
    lib: "usr/lib",
    lib64: "usr/lib64",
    "var/run": "/run",
    ...Object.fromEntries(APPLETS.split(" ").map((name) => [`usr/bin/${name}`, "busybox"])),
  },
  texts: {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
  },
};

/** Debian's own scripts set packages up and start services; here nothing is installed. */
const INSTALLERS = ["adduser", "debconf", "dpkg", "init-system-helpers", "lsb-base", "perl", "sensible-utils", "ucf"];

const base: DebianLayer = {
  from: "debian",
  packages: ["busybox-static", "libc6", "libgcc-s1", "libstdc++6", "zlib1g"],
  without: INSTALLERS,
  // Conversions between character sets that nobody asks for.
  drop: ["usr/lib/*/gconv/*", "usr/lib/*/perl/*"],
};

/** What both kinds of machines need: a process 1 that passes signals on and reaps, and the mounts that a machine makes. */
const common: DebianLayer = {
  from: "debian",
  packages: ["tini", "iproute2", "mount", "util-linux"],
  without: INSTALLERS,
  drop: ["usr/lib/*/tc/*"],
};

const serverPackages: DebianLayer = { from: "debian", packages: ["nats-server"], without: INSTALLERS };

const nodePackages: DebianLayer = {
  from: "debian",
  packages: ["containerd", "runc", "containernetworking-plugins", "nftables", "iptables", "conntrack", "kmod"],
  without: INSTALLERS,
  // The agent configures four of the twenty plugins for networks: bridge, host-local, loopback, portmap.
  drop: [
    "usr/bin/containerd-stress",
    "usr/bin/containerd-shim",
    "usr/bin/containerd-shim-runc-v1",
    ..."bandwidth dhcp firewall host-device ipvlan macvlan ptp sbr static tuning vlan vrf"
      .split(" ")
      .map((name) => `usr/lib/cni/${name}`),
  ],
};

/** What an installation would have chosen among Debian's alternatives. */
const alternatives: FilesLayer = {
  from: "files",
  links: Object.fromEntries(
    ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"].map(
      (name) => [`usr/sbin/${name}`, "xtables-nft-multi"],
    ),
  ),
};

/** The Node that builds the images is the one that runs in them. */
const node: FilesLayer = {
  from: "files",
  copy: { "usr/local/bin/node": relative(import.meta.dirname, process.execPath) },
  executable: ["usr/local/bin/node"],
};

/** Bundles by their names, and `tri` with the pieces that its commands load. */
const bundlesOf = (names: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...names.map((name) => `${name}.mjs`), "cli.mjs", "cli"].map((file) => [
      `opt/trireme/.build/${file}`,
      `../../../.build/${file}`,
    ]),
  );

const EXECUTABLE = ["usr/local/bin/tri", "usr/local/bin/start-host", "usr/local/bin/host-healthy"];

const hostFiles: Readonly<Record<string, string>> = {
  "usr/local/bin/tri": "tri.sh",
  "usr/local/bin/start-host": "start.sh",
  "usr/local/bin/host-healthy": "healthy.mjs",
};

const serverFiles: FilesLayer = {
  from: "files",
  copy: {
    ...hostFiles,
    ...bundlesOf(["supervisor", "state-store", "control", "scheduler", "controllers", "balancer"]),
  },
  executable: EXECUTABLE,
};

const nodeFiles: FilesLayer = {
  from: "files",
  copy: {
    ...hostFiles,
    ...bundlesOf(["supervisor", "node-agent", "dns", "balancer"]),
    "opt/trireme/.build/images": "../../../.build/images",
  },
  executable: EXECUTABLE,
};

const SECOND = 1_000_000_000;

/** What docker asks, and how patiently: a machine that takes half a minute to come up is not ill. */
const healthcheck = {
  test: ["CMD", "host-healthy"],
  intervalNs: 10 * SECOND,
  timeoutNs: 4 * SECOND,
  startPeriodNs: 60 * SECOND,
  retries: 3,
};

/** All that a machine keeps is in one folder. */
const DATA = "/var/lib/trireme";

export const images: readonly ImageRecipe[] = [
  { name: BASE, layers: [layout, base], config: { entrypoint: ["/bin/sh"] } },
  {
    name: "trireme.local/control-plane:1",
    layers: [layout, base, node, common, serverPackages, serverFiles],
    config: {
      entrypoint: ["/usr/bin/tini", "--", "start-host", "server"],
      exposedPorts: ["6443/tcp", "6444/tcp"],
      volumes: [DATA],
      healthcheck,
    },
  },
  {
    name: "trireme.local/node:1",
    layers: [layout, base, node, common, nodePackages, alternatives, nodeFiles],
    config: { entrypoint: ["/usr/bin/tini", "--", "start-host", "agent"], volumes: [DATA], healthcheck },
  },
];
