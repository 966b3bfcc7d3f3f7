import type { BundleLayer, DebianLayer, FilesLayer, ImageRecipe } from "../../images/recipe.ts";

/**
 * The blog's images, out of Debian's packages and the programs in app/. All share one base, and all that use ICU share
 * that, which is larger than the programs themselves.
 */

/** Who our programs run as; the manifests say the same number. */
const APP = "10001:10001";
const POSTGRES = "10002:10002";

const APPLETS =
  "sh cat chmod cp date env false grep head id kill ls mkdir mv ps rm sed sha256sum sleep tail test true wget";

/** Folders as Debian has merged them, users, and a shell with what scripts and curious people need. */
const layout: FilesLayer = {
  from: "files",
  folders: { root: 0o700, tmp: 0o1777, "usr/bin": 0o755, "usr/sbin": 0o755, "usr/lib": 0o755, "usr/lib64": 0o755 },
  links: {
    bin: "usr/bin",
    sbin: "usr/sbin",
    lib: "usr/lib",
    lib64: "usr/lib64",
    ...Object.fromEntries(APPLETS.split(" ").map((name) => [`usr/bin/${name}`, "busybox"])),
  },
  texts: {
    "etc/passwd":
      "root:x:0:0:root:/root:/bin/sh\napp:x:10001:10001:app:/tmp:/bin/sh\npostgres:x:10002:10002:postgres:/tmp:/bin/sh\n",
    "etc/group": "root:x:0:\napp:x:10001:\npostgres:x:10002:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
  },
};

const base: DebianLayer = {
  from: "debian",
  packages: ["busybox-static", "libc6", "libgcc-s1", "libstdc++6", "libssl3", "zlib1g"],
  without: ["debconf"],
  // Conversions between character sets that nobody asks for.
  drop: ["usr/lib/*/gconv/*", "usr/lib/*/perl/*"],
};

const icu: DebianLayer = { from: "debian", packages: ["libicu72"] };

/** Debian's own scripts set packages up and start services; here nothing is installed and nothing but the program runs. */
const INSTALLERS = ["debconf", "init-system-helpers", "lsb-base", "adduser", "ucf", "perl", "dpkg", "sensible-utils"];

const nginx: DebianLayer = { from: "debian", packages: ["nginx"], without: [...INSTALLERS, "iproute2"] };

const redis: DebianLayer = { from: "debian", packages: ["redis-server"], without: INSTALLERS };

const postgres: DebianLayer = {
  from: "debian",
  packages: ["postgresql-15"],
  // Just-in-time compilation brings LLVM, which is larger than all the rest; the queries here are short.
  without: [...INSTALLERS, "postgresql-common", "postgresql-client-common", "ssl-cert", "locales", "libllvm14"],
  drop: ["usr/lib/postgresql/*/lib/bitcode/*", "usr/lib/postgresql/*/lib/llvmjit*"],
};

const node: DebianLayer = { from: "debian", packages: ["nodejs"], without: INSTALLERS };

const program = (name: string): BundleLayer => ({
  from: "bundle",
  entry: `app/${name}/main.ts`,
  to: `app/${name}.cjs`,
  target: "node18",
});

const nodeImage = (name: string, tag: string, ports: readonly string[]): ImageRecipe => ({
  name: `trireme.local/blog-${name}:${tag}`,
  layers: [layout, base, icu, node, program(name)],
  config: {
    entrypoint: ["/usr/bin/node", "--enable-source-maps", `/app/${name}.cjs`],
    env: ["NODE_ENV=production", `VERSION=${tag}`],
    exposedPorts: ports,
    user: APP,
  },
});

export const images: readonly ImageRecipe[] = [
  {
    name: "trireme.local/blog-frontend:1",
    layers: [layout, base, nginx, { from: "files", copy: { "srv/blog": "frontend" } }],
    config: {
      // nginx ends at once on SIGTERM; on SIGQUIT it finishes what it is answering.
      entrypoint: ["/usr/sbin/nginx", "-e", "stderr", "-c", "/etc/nginx/nginx.conf", "-g", "daemon off;"],
      exposedPorts: ["8080/tcp"],
      user: APP,
      stopSignal: "SIGQUIT",
    },
  },
  // Twice, so that there is something to roll to.
  nodeImage("backend", "1", ["8080/tcp"]),
  nodeImage("backend", "2", ["8080/tcp"]),
  nodeImage("worker", "1", ["8080/tcp"]),
  nodeImage("mail", "1", ["2525/tcp", "8080/tcp"]),
  {
    name: "trireme.local/blog-redis:1",
    layers: [layout, base, redis],
    config: { entrypoint: ["/usr/bin/redis-server"], exposedPorts: ["6379/tcp"], user: APP },
  },
  {
    name: "trireme.local/blog-postgres:1",
    layers: [
      layout,
      base,
      icu,
      postgres,
      { from: "files", copy: { "usr/local/bin/start": "postgres/start.sh" }, executable: ["usr/local/bin/start"] },
    ],
    config: { entrypoint: ["/usr/local/bin/start"], exposedPorts: ["5432/tcp"], user: POSTGRES },
  },
];
