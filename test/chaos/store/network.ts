import { execFileSync } from "node:child_process";

const ip = (...args: string[]): string => execFileSync("ip", args, { encoding: "utf8", stdio: "pipe" });

/** One machine: a network namespace with an address. */
export interface Host {
  readonly name: string;
  readonly address: string;
  readonly netns: string;
}

/** Hooks before everything else, so that nothing of a cut wire is seen, not even by the kernel's own answers. */
const FRAME = (rules: string): string => `
table inet fault {
  chain input { type filter hook input priority -300; policy accept; ${lines(rules, "in")} }
  chain output { type filter hook output priority -300; policy accept; ${lines(rules, "out")} }
}
`;

function lines(rules: string, way: string): string {
  return rules
    .split("\n")
    .filter((rule) => rule.startsWith(`${way} `))
    .map((rule) => `${rule.slice(way.length + 1)};`)
    .join(" ");
}

/** The machines' private network: a bridge in a namespace of its own, with one leg to the root, where the clients are. */
export class Network {
  private readonly prefix: string;
  private readonly subnet = `10.214.${process.pid % 250}`;
  private count = 0;

  constructor(prefix: string) {
    this.prefix = prefix;
    ip("netns", "add", prefix);
    ip("-n", prefix, "link", "add", "br0", "type", "bridge");
    ip("-n", prefix, "link", "set", "br0", "up");
    ip("link", "add", prefix, "type", "veth", "peer", "name", "p-root", "netns", prefix);
    ip("-n", prefix, "link", "set", "p-root", "master", "br0", "up");
    ip("addr", "add", `${this.subnet}.254/24`, "dev", prefix);
    ip("link", "set", prefix, "up");
  }

  addHost(name: string): Host {
    const number = ++this.count;
    const netns = `${this.prefix}-${number}`;
    const address = `${this.subnet}.${number}`;
    ip("netns", "add", netns);
    ip("-n", netns, "link", "set", "lo", "up");
    const port = `p-${number}`;
    ip("-n", netns, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", this.prefix);
    ip("-n", this.prefix, "link", "set", port, "master", "br0", "up");
    ip("-n", netns, "addr", "add", `${address}/24`, "dev", "eth0");
    ip("-n", netns, "link", "set", "eth0", "up");
    return { name, address, netns };
  }

  /** From now on `host` neither sends to the others nor hears them. Clients are not touched. */
  cut(host: Host, others: readonly Host[]): void {
    this.drop(
      host,
      others.flatMap(({ address }) => [`in ip saddr ${address}`, `out ip daddr ${address}`]),
    );
  }

  /** `host` can send to the others and does not hear them. */
  deafen(host: Host, others: readonly Host[]): void {
    this.drop(
      host,
      others.map(({ address }) => `in ip saddr ${address}`),
    );
  }

  /** Of what `host` hears from the others this share is lost. */
  lose(host: Host, others: readonly Host[], percent: number): void {
    this.drop(
      host,
      others.map(({ address }) => `in ip saddr ${address} numgen random mod 100 < ${percent}`),
    );
  }

  /** What `host` hears from the others beyond so many kilobytes a second is lost. */
  slow(host: Host, others: readonly Host[], kbytes: number): void {
    this.drop(
      host,
      others.map(({ address }) => `in ip saddr ${address} limit rate over ${kbytes} kbytes/second`),
    );
  }

  private drop(host: Host, matches: readonly string[]): void {
    this.heal(host);
    nft(host, FRAME(matches.map((match) => `${match} counter drop`).join("\n")));
  }

  /** Packets that were dropped at the host since its wires were cut. */
  dropped(host: Host): number {
    const listed = nft(host, "list ruleset");
    return [...listed.matchAll(/counter packets (\d+)/g)].reduce((sum, [, packets]) => sum + Number(packets), 0);
  }

  heal(host: Host): void {
    nft(host, "table inet fault {}\ndelete table inet fault");
  }
}

function nft(host: Host, script: string): string {
  return execFileSync("nsenter", [`--net=/run/netns/${host.netns}`, "nft", "-f", "-"], {
    encoding: "utf8",
    input: script,
    stdio: "pipe",
  });
}
