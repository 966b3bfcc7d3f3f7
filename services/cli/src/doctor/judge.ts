/** How one thing is. */
export type Level = "ok" | "warn" | "fail";

/** One line of what `tri doctor` says. */
export interface Finding {
  readonly level: Level;
  /** What was looked at. */
  readonly what: string;
  readonly says: string;
  /** What to do about it; for anything but ok. */
  readonly wayOut?: string;
}

/** A program that a machine needs. */
export interface ProgramFact {
  readonly name: string;
  readonly debianPackage: string;
  /** As it prints it; absent: it is not there, or does not say. */
  readonly version: string | undefined;
}

/** A server that this machine has to reach. */
export interface ServerFact {
  readonly name: string;
  readonly address: string;
  /** Absent: no answer. */
  readonly readyStatus?: number | undefined;
  readonly problem?: string | undefined;
  /** Its clock minus ours. */
  readonly clockSkewMs?: number | undefined;
}

/** What a machine is, as far as Trireme cares. */
export interface Facts {
  readonly kernel: string;
  readonly isRoot: boolean;
  /** Controllers that there are, of either version. */
  readonly cgroupControllers: ReadonlySet<string>;
  readonly programs: readonly ProgramFact[];
  /** Ports of ours that another program holds, with what is known of it. */
  readonly takenPorts: readonly { readonly port: number; readonly purpose: string }[];
  /** Of a 4 KiB write and its fsync in the data directory. */
  readonly fsyncMs: number | undefined;
  readonly freeBytes: number | undefined;
  readonly servers: readonly ServerFact[];
  readonly certificates: readonly { readonly file: string; readonly daysLeft: number }[];
  /** Of a server that was removed from its cluster: what that means, and the way out. */
  readonly removed?: { readonly says: string; readonly wayOut: string } | undefined;
}

/** The oldest kernel with what we use of cgroups and nftables, and the oldest that we have run on. */
const KERNEL_MIN: Version = [5, 4];
const KERNEL_TRIED: Version = [5, 10];
const CONTROLLERS = ["cpu", "memory", "pids"] as const;
/** The oldest that work: CRI v1, cgroups of both versions, JWTs with permissions. */
const PROGRAM_MIN: Readonly<Record<string, Version>> = { containerd: [1, 6], runc: [1, 1], "nats-server": [2, 9] };
/** A leader's heartbeat is 100 ms and a vote waits for a sync: slower disks cost elections. */
const FSYNC_WARN_MS = 10;
const FSYNC_FAIL_MS = 250;
/** The store alone may take a GiB of log and snapshots, images more. */
const FREE_WARN_BYTES = 5 * 1024 ** 3;
const FREE_FAIL_BYTES = 512 * 1024 ** 2;
/** Leases are judged by each machine's own clock; people's logs and certificates are not. */
const SKEW_WARN_MS = 1_000;
/** Certificates are valid from ten minutes before their making. */
const SKEW_FAIL_MS = 5 * 60_000;
const EXPIRY_WARN_DAYS = 30;

type Version = readonly [major: number, minor: number];

/** Says of every fact whether it is well, and what to do where it is not. */
export function judge(facts: Facts): Finding[] {
  return [
    judgeRoot(facts),
    judgeKernel(facts),
    judgeCgroups(facts),
    ...facts.programs.map(judgeProgram),
    ...judgePorts(facts),
    judgeFsync(facts),
    judgeSpace(facts),
    ...(facts.removed === undefined ? [] : [{ level: "fail", what: "membership", ...facts.removed } as const]),
    ...facts.servers.flatMap(judgeServer),
    ...facts.certificates.map(judgeCertificate),
  ];
}

function judgeRoot({ isRoot }: Facts): Finding {
  if (isRoot) return ok("user", "root");
  return {
    level: "fail",
    what: "user",
    says: "not root",
    wayOut: "use sudo: networks, cgroups and containers need root",
  };
}

function judgeKernel({ kernel }: Facts): Finding {
  const version = versionOf(kernel);
  const wayOut = "install a newer kernel, such as Debian 12's";
  if (version === undefined || isOlder(version, KERNEL_MIN))
    return { level: "fail", what: "kernel", says: kernel, wayOut };
  if (isOlder(version, KERNEL_TRIED)) return { level: "warn", what: "kernel", says: `${kernel}, untried`, wayOut };
  return ok("kernel", kernel);
}

function judgeCgroups({ cgroupControllers }: Facts): Finding {
  const missing = CONTROLLERS.filter((name) => !cgroupControllers.has(name));
  if (missing.length === 0) return ok("cgroups", CONTROLLERS.join(", "));
  const says = `no controller ${missing.join(", ")}`;
  const wayOut =
    "mount cgroups (version 2, or every controller of version 1); some clouds want cgroup_enable=memory at boot";
  return { level: "fail", what: "cgroups", says, wayOut };
}

function judgeProgram({ name, debianPackage, version }: ProgramFact): Finding {
  const wayOut = `apt-get install --no-install-recommends ${debianPackage}, or run ./tri as root, which does that`;
  if (version === undefined) return { level: "fail", what: name, says: "not there", wayOut };
  const min = PROGRAM_MIN[name];
  const found = versionOf(version);
  if (min !== undefined && (found === undefined || isOlder(found, min))) {
    return { level: "fail", what: name, says: `${version}, older than ${min.join(".")}`, wayOut };
  }
  return ok(name, version);
}

function judgePorts({ takenPorts }: Facts): Finding[] {
  if (takenPorts.length === 0) return [ok("ports", "free, or our own")];
  return takenPorts.map(({ port, purpose }) => ({
    level: "fail",
    what: "ports",
    says: `${port} (${purpose}) is another program's`,
    wayOut: `ss -ltnp 'sport = :${port}' shows which; stop it, or give this machine an --address of its own`,
  }));
}

function judgeFsync({ fsyncMs }: Facts): Finding {
  const what = "disk sync";
  if (fsyncMs === undefined)
    return { level: "fail", what, says: "the folder cannot be written", wayOut: "check --data-dir" };
  const says = `${fsyncMs.toFixed(1)} ms`;
  const wayOut = "every write of the store waits for this: put the data directory on an SSD of its own";
  if (fsyncMs > FSYNC_FAIL_MS) return { level: "fail", what, says, wayOut };
  return fsyncMs > FSYNC_WARN_MS ? { level: "warn", what, says, wayOut } : ok(what, says);
}

function judgeSpace({ freeBytes }: Facts): Finding {
  const what = "disk space";
  if (freeBytes === undefined) return { level: "warn", what, says: "unknown", wayOut: "check --data-dir" };
  const says = `${(freeBytes / 1024 ** 3).toFixed(1)} GiB free`;
  const wayOut = "free some space: a full disk stops the store, and pods are evicted";
  if (freeBytes < FREE_FAIL_BYTES) return { level: "fail", what, says, wayOut };
  return freeBytes < FREE_WARN_BYTES ? { level: "warn", what, says, wayOut } : ok(what, says);
}

function judgeServer({ name, address, readyStatus, problem, clockSkewMs }: ServerFact): Finding[] {
  const what = `server ${name}`;
  if (readyStatus === undefined) {
    const wayOut = `check that it runs and that ${address}:6443 is open; ./tri server remove ${name} if it is gone for good`;
    return [{ level: "fail", what, says: `${address} does not answer: ${problem ?? "no reason"}`, wayOut }];
  }
  const wayOut = "look at control.log and store.log in its folder; a server that has just started needs a few seconds";
  const ready: Finding =
    readyStatus === 200
      ? ok(what, `${address} is ready`)
      : { level: "warn", what, says: `${address} is not ready`, wayOut };
  return clockSkewMs === undefined ? [ready] : [ready, judgeClock(name, clockSkewMs)];
}

function judgeClock(name: string, skewMs: number): Finding {
  const what = `clock, to ${name}`;
  const says = `${(skewMs / 1000).toFixed(1)} s apart`;
  const wayOut = "let both follow a time server (apt-get install systemd-timesyncd)";
  if (Math.abs(skewMs) > SKEW_FAIL_MS) return { level: "fail", what, says, wayOut };
  return Math.abs(skewMs) > SKEW_WARN_MS ? { level: "warn", what, says, wayOut } : ok(what, says);
}

function judgeCertificate({ file, daysLeft }: { readonly file: string; readonly daysLeft: number }): Finding {
  const what = `certificate ${file}`;
  const says = daysLeft < 0 ? `expired ${Math.ceil(-daysLeft)} days ago` : `${Math.floor(daysLeft)} days left`;
  const wayOut = "each machine renews its own while it runs: start it again, and read agent.log or control.log";
  if (daysLeft < 0) return { level: "fail", what, says, wayOut };
  return daysLeft < EXPIRY_WARN_DAYS ? { level: "warn", what, says, wayOut } : ok(what, says);
}

function ok(what: string, says: string): Finding {
  return { level: "ok", what, says };
}

function versionOf(text: string): Version | undefined {
  const match = /(\d+)\.(\d+)/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

function isOlder(a: Version, b: Version): boolean {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}
