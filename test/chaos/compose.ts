import { parse } from "yaml";

/** One machine of a compose file: what the suite needs to start it as `docker compose` would. */
export interface Machine {
  readonly name: string;
  readonly role: "server" | "node";
  readonly image: string;
  readonly hostname: string;
  readonly address: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly securityOpt: readonly string[];
  readonly cgroup: "private" | "host" | undefined;
  readonly restart: string;
  readonly stopGraceSeconds: number;
  /** From path in the container to its mount options. */
  readonly tmpfs: Readonly<Record<string, string>>;
  /** From path in the container to the volume's name. */
  readonly volumes: Readonly<Record<string, string>>;
  /** Machines that are healthy before this one starts. */
  readonly after: readonly string[];
}

/** A compose file of machines in one network. */
export interface Compose {
  readonly network: { readonly name: string; readonly subnet: string };
  readonly machines: readonly Machine[];
}

/** All that this reader understands. What is new in the file must be taught here, or the suite would test another shape. */
const KEYS = {
  file: ["services", "networks", "volumes"],
  service: [
    "image",
    "hostname",
    "environment",
    "cap_add",
    "cap_drop",
    "security_opt",
    "cgroup",
    "restart",
    "stop_grace_period",
    "tmpfs",
    "volumes",
    "networks",
    "depends_on",
  ],
  network: ["ipam"],
} as const;

type Tree = Readonly<Record<string, unknown>>;

/** Reads a compose file with `${NAME:-default}` filled from `env`. Throws for anything that it does not understand. */
export function readCompose(text: string, env: Readonly<Record<string, string>>): Compose {
  const filled = text
    .split("\n")
    .map((line) => (line.trimStart().startsWith("#") ? line : fill(line, env)))
    .join("\n");
  const file = parse(filled, { merge: true }) as Tree;
  checkKeys("the file", Object.fromEntries(Object.entries(file).filter(([key]) => !key.startsWith("x-"))), KEYS.file);
  const networks = Object.entries(file.networks as Readonly<Record<string, Tree>>);
  const [name, network] = networks[0] ?? [];
  if (networks.length !== 1 || name === undefined || network === undefined) throw new Error("one network, please");
  checkKeys(`network ${name}`, network, KEYS.network);
  const subnet = (network.ipam as { config: readonly { subnet: string }[] }).config[0]!.subnet;
  const volumes = new Set(Object.keys(file.volumes as Tree));
  const machines = Object.entries(file.services as Readonly<Record<string, Tree>>).map(([service, tree]) =>
    machineOf(service, tree, name, volumes),
  );
  return { network: { name, subnet }, machines };
}

function fill(line: string, env: Readonly<Record<string, string>>): string {
  return line.replaceAll(
    /\$\{([A-Z0-9_]+):-([^}]*)\}/g,
    (_, name: string, otherwise: string) => env[name] || otherwise,
  );
}

function machineOf(name: string, tree: Tree, network: string, volumes: ReadonlySet<string>): Machine {
  checkKeys(`service ${name}`, tree, KEYS.service);
  const list = (key: string): readonly string[] => (tree[key] ?? []) as readonly string[];
  const pairs = (key: string): [string, string][] =>
    list(key).map((text) => [text.slice(0, text.indexOf(":")), text.slice(text.indexOf(":") + 1)]);
  const attached = tree.networks as Readonly<Record<string, { readonly ipv4_address: string }>>;
  const address = attached[network]?.ipv4_address;
  if (address === undefined || Object.keys(attached).length !== 1) {
    throw new Error(`service ${name} needs one address, in network ${network}`);
  }
  for (const [volume] of pairs("volumes")) if (!volumes.has(volume)) throw new Error(`no volume "${volume}" (${name})`);
  const grace = /^(\d+)s$/.exec(String(tree.stop_grace_period))?.[1];
  if (grace === undefined) throw new Error(`service ${name}: stop_grace_period in seconds, e.g. 10s`);
  return {
    name,
    role: name.startsWith("server") ? "server" : "node",
    image: String(tree.image),
    hostname: String(tree.hostname),
    address,
    // A value that is filled with nothing is the empty text, for `docker compose` as well.
    environment: Object.fromEntries(
      Object.entries(tree.environment as Tree).map(([key, it]) => [key, String(it ?? "")]),
    ),
    capAdd: list("cap_add"),
    capDrop: list("cap_drop"),
    securityOpt: list("security_opt"),
    cgroup: tree.cgroup as Machine["cgroup"],
    restart: String(tree.restart),
    stopGraceSeconds: Number(grace),
    tmpfs: Object.fromEntries(pairs("tmpfs")),
    volumes: Object.fromEntries(pairs("volumes").map(([volume, path]) => [path, volume])),
    after: Object.entries((tree.depends_on ?? {}) as Readonly<Record<string, { condition: string }>>).map(
      ([other, { condition }]) => {
        if (condition !== "service_healthy") throw new Error(`service ${name}: depends_on ${other}: ${condition}?`);
        return other;
      },
    ),
  };
}

function checkKeys(what: string, tree: Tree, known: readonly string[]): void {
  const unknown = Object.keys(tree).filter((key) => !known.includes(key));
  if (unknown.length > 0) throw new Error(`${what}: ${unknown.join(", ")} is nothing that test/chaos understands`);
}
