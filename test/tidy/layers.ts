import type { RepoFile, Violation } from "./repo.ts";

/** The layers of design section 3, lowest first. A package may import its own layer's and lower packages. */
const PURE = new Set(["api", "raft", "mvcc", "scheduling"]);
const RUNTIMES = new Set([
  "actor",
  "bus",
  "controller",
  "client",
  "grpc-client",
  "store-client",
  "cri",
  "telemetry",
  "config",
  "pki",
  "proto",
]);

/** External packages that exactly one of our packages may know, so that replacing one is a change in one place. */
const ISOLATED: Readonly<Record<string, string>> = {
  nats: "libs/bus",
  "prom-client": "libs/telemetry",
  pino: "libs/telemetry",
  "@peculiar/x509": "libs/pki",
  "dns-packet": "services/dns",
  commander: "services/cli",
};

/** The one service that composes others (design section 4, processes). */
const COMPOSITION: Readonly<Record<string, readonly string[]>> = { control: ["apiserver"] };

/** What a pure package may not touch: the outside world and everything that makes two runs differ. */
const IMPURE =
  /\b(?:Date\.now|new Date\(\)|Math\.random|setTimeout|setInterval|setImmediate|performance\.now|process\.|crypto\.randomUUID)/;

const IMPORT = /(?:^|\n)\s*(?:import|export)\s+(?:type\s+)?(?:[^'"`;]*?\sfrom\s+)?["']([^"']+)["']/g;
const DYNAMIC_IMPORT = /\bimport\(\s*["']([^"']+)["']\s*\)/g;

/** Every module that a source text imports, static and dynamic. */
export function importsOf(text: string): string[] {
  return [...text.matchAll(IMPORT), ...text.matchAll(DYNAMIC_IMPORT)].map((match) => match[1]!);
}

function layerOf(name: string): number {
  if (name === "base") return 0;
  if (PURE.has(name)) return 1;
  return 2;
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function isPureFile(path: string): boolean {
  const [top, name] = path.split("/");
  if (top === "libs" && name !== undefined && (PURE.has(name) || name === "base")) {
    // base holds the two doors to the machine's clock and is the only place that may.
    return name !== "base";
  }
  return /(^|\/)decide\.ts$/.test(path);
}

/** Checks one source file against the layer rules. `declared` holds the dependencies of the file's own package. */
export function checkLayers(file: RepoFile, declared?: ReadonlySet<string>): Violation[] {
  const out: Violation[] = [];
  const [top, name = ""] = file.path.split("/");
  if ((top !== "libs" && top !== "services") || !file.path.endsWith(".ts")) return out;
  const home = `${top}/${name}`;
  const isTest = /\.test\.ts$/.test(file.path) || name === "testkit";
  const add = (rule: string, message: string): void => void out.push({ path: file.path, rule, message });

  for (const specifier of importsOf(file.text)) {
    if (specifier.startsWith(".")) {
      const depth = file.path.split("/").length - 3;
      const climbs = specifier.split("/").filter((part) => part === "..").length;
      const leavesSource = climbs >= depth && file.path.startsWith(`${home}/src/`);
      if (leavesSource && !isTest && /^(?:\.\.\/)+testing\//.test(specifier)) {
        add("layers", `${specifier} is for tests alone`);
      }
      if (climbs > depth) add("inside", `${specifier} reaches out of ${home}; import the package by its name`);
      continue;
    }
    const target = packageOf(specifier);
    if (target.startsWith("@trireme/")) {
      const other = target.slice("@trireme/".length);
      if (specifier !== target && other !== "proto") {
        add("inside", `${specifier} reaches into @trireme/${other}; its index.ts is its whole surface`);
      }
      const isService = !RUNTIMES.has(other) && !PURE.has(other) && other !== "base" && other !== "testkit";
      if (isService && top === "libs") add("layers", `a library may not import the service ${other}`);
      if (isService && top === "services" && other !== name && !(COMPOSITION[name] ?? []).includes(other)) {
        add("layers", `the service ${name} may not import the service ${other}`);
      }
      if (!isTest && !isService && top === "libs" && other !== "testkit" && layerOf(other) > layerOf(name)) {
        add("layers", `${home} is below @trireme/${other} and may not import it`);
      }
      if (other === "testkit" && !isTest) add("layers", "testkit is for tests alone");
    } else {
      const isolatedIn = ISOLATED[target];
      if (isolatedIn !== undefined && isolatedIn !== home && !isTest) {
        add("isolation", `${target} is imported in ${isolatedIn} alone`);
      }
      if (isPureFile(file.path) && !isTest && target !== "ipaddr.js") {
        add("purity", `${specifier} in a pure file: pass in what it would tell`);
      }
    }
    const known = target.startsWith("node:") || target === "vitest" || isTest;
    if (declared !== undefined && !known && target !== `@trireme/${name}` && !declared.has(target)) {
      add("declared", `${target} is not in ${home}/package.json`);
    }
  }
  if (isPureFile(file.path) && !isTest) {
    const code = file.text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
    const found = IMPURE.exec(code);
    if (found !== null) add("purity", `${found[0]} in a pure file: time, chance and the process come in as arguments`);
  }
  return out;
}
