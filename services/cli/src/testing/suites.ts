import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { TriremeError } from "@trireme/base";
import { builderOf } from "../local/folder-images.ts";
import { type Tally, type VitestReport, tallyLines, tallyReport } from "./tally.ts";

/** One suite of `tri test`. */
export interface Suite {
  readonly name: string;
  readonly help: string;
  /** What continuous integration passes on. */
  readonly ci?: readonly string[];
  /**
   * A suite before it, with which it begins when all run: it waits for the network, or only computes, while others wait for
   * clocks. It may go on beside those that follow; its result is told at its turn.
   */
  readonly beside?: string;
  run(root: string, extra: readonly string[], show?: Show): Promise<Tally>;
}

/** Where a suite's output goes as it comes; the terminal when not told otherwise. */
export type Show = (text: string | Buffer) => void;
const onTerminal: Show = (text) => void process.stdout.write(text);

const bin = (path: string): readonly string[] => [process.execPath, `node_modules/${path}`];

/** The steps of `check`, each of which counts as one test. */
const CHECKS: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: "proto lint", command: [...bin("@bufbuild/buf/bin/buf"), "lint"] },
  { name: "types", command: [...bin("typescript/bin/tsc"), "-p", "."] },
  { name: "lint", command: [...bin("oxlint/bin/oxlint"), "--type-aware"] },
  { name: "format", command: [...bin("oxfmt/bin/oxfmt"), "--check"] },
  { name: "nothing unused", command: [...bin("knip/bin/knip.js"), "--no-progress"] },
];

/** Runs a command only while nobody else wants the processor (SCHED_IDLE), and not longer than the process that asks for it. */
const IDLE = ["setpriv", "--pdeathsig", "TERM", "chrt", "--idle", "0"] as const;

/** Test files wait for sockets and clocks about half of their time: with two at once on a core, it is the core that is busy. */
const UNIT_WORKERS = 2 * availableParallelism();

/** The suites that continuous integration runs, in this order: what fails fast comes first. */
export const SUITES: readonly Suite[] = [
  { name: "check", help: "proto lint, types, lint, format, nothing unused", run: runChecks },
  vitestSuite("unit", "one module at a time", [`--maxWorkers=${UNIT_WORKERS}`]),
  vitestSuite("tidy", "the rules of the house"),
  {
    name: "bounds",
    help: "memory, disk and delays of three real stores: --full, --only PART, --minutes N",
    run: (root, extra) => runScript("bounds", [process.execPath, "test/bounds/main.ts"], root, extra),
  },
  vitestSuite("integration", "one part with real neighbours"),
  {
    name: "fresh",
    help: "the README's commands inside a bare Debian root",
    beside: "integration",
    run: (root, _, show) => runScript("fresh", ["bash", "test/fresh/fresh.sh"], root, [], show),
  },
  vitestSuite("e2e", "a whole local cluster with real clients"),
  chaosSuite(),
  {
    name: "faults",
    help: "the store's processes under faults F1-F26: [F1 F7 ...] [--rounds N]",
    ci: ["--ci"],
    run: (root, extra) => runScript("faults", [process.execPath, "test/chaos/store/main.ts"], root, extra),
  },
  {
    name: "sim",
    help: "whole stores under faults in virtual time: --seed N, --seeds N, --bugs",
    ci: ["--ci"],
    beside: "integration",
    // It only computes, and its time is virtual: beside others it takes what they leave of the processors.
    run: (root, extra, show) =>
      runScript("sim", [...(show === undefined ? [] : IDLE), process.execPath, "test/sim/main.ts"], root, extra, show),
  },
];

/** Finds a suite, or says which there are. */
export function suiteOf(name: string): Suite {
  const found = SUITES.find((suite) => suite.name === name);
  if (found !== undefined) return found;
  const names = SUITES.map((suite) => suite.name).join(", ");
  throw new TriremeError("NotFound", `there is no suite "${name}"; there are ${names}`);
}

/** Runs suites one after the other, those that may run beside another one beside it; shows their output one after the other. */
export async function runSuites(root: string, suites: readonly Suite[], show: Show = onTerminal): Promise<Tally[]> {
  const begun = new Map<string, { readonly tally: Promise<Tally>; readonly said: (string | Buffer)[] }>();
  const tallies: Tally[] = [];
  for (const { name, help, ci = [], run } of suites) {
    for (const other of suites.filter(({ beside }) => beside === name)) {
      const said: (string | Buffer)[] = [];
      const tally = other.run(root, other.ci ?? [], (text) => void said.push(text));
      // Its failure is told at its turn.
      tally.catch(() => undefined);
      begun.set(other.name, { tally, said });
    }
    show(`\n== ${name}: ${help}\n`);
    const early = begun.get(name);
    const tally = await (early?.tally ?? run(root, ci));
    for (const text of early?.said ?? []) show(text);
    tallies.push(tally);
  }
  return tallies;
}

async function runChecks(root: string): Promise<Tally> {
  const start = performance.now();
  const failures: string[] = [];
  for (const { name, command } of CHECKS) {
    const { code } = await runShown(command, root);
    process.stdout.write(`${code === 0 ? "ok" : "not ok"} ${name}\n`);
    if (code !== 0) failures.push(name);
  }
  const failed = failures.length;
  return {
    ...{ suite: "check", passed: CHECKS.length - failed, failed, skipped: 0 },
    ...{ seconds: secondsSince(start), failures },
  };
}

/** `chaos [--rounds N]`: continuous integration runs one round of each fault. */
function chaosSuite(): Suite {
  const suite = vitestSuite("chaos", "machines as containers, killed, paused, restarted and cut off (--rounds N)");
  return {
    ...suite,
    run(root, extra) {
      const at = extra.indexOf("--rounds");
      if (at < 0) return suite.run(root, extra);
      const rounds = extra[at + 1] ?? "";
      if (!/^[1-9]\d*$/.test(rounds)) throw new TriremeError("BadRequest", `--rounds takes a number, not "${rounds}"`);
      process.env.TRIREME_CHAOS_ROUNDS = rounds;
      return suite.run(root, extra.toSpliced(at, 2));
    },
  };
}

function vitestSuite(name: string, help: string, options: readonly string[] = []): Suite {
  return {
    name,
    help,
    async run(root, extra) {
      const start = performance.now();
      const folder = join(root, ".build", "reports");
      mkdirSync(folder, { recursive: true });
      const report = join(folder, `${name}.json`);
      rmSync(report, { force: true });
      // A suite may be several projects of vitest: those whose names it begins.
      const vitest = [...bin("vitest/vitest.mjs"), "run", "--project", name, "--project", `${name}-*`];
      const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
      await runShown([...vitest, ...options, ...reporters, ...extra], root);
      const read = existsSync(report) ? (JSON.parse(readFileSync(report, "utf8")) as VitestReport) : undefined;
      return tallyReport(name, read, secondsSince(start));
    },
  };
}

/** A suite that is a program of its own, whose output is lines `ok NAME` and `not ok NAME`. */
async function runScript(
  name: string,
  command: readonly string[],
  root: string,
  extra: readonly string[],
  show: Show = onTerminal,
): Promise<Tally> {
  const start = performance.now();
  const { code, output } = await runShown([...command, ...extra], root, show);
  return tallyLines(name, output, code, secondsSince(start));
}

/**
 * Begins what later suites need from the network, so that it is there when its turn comes; a failure shows then: the bare
 * root of `fresh`, the images of the example that e2e brings up, and those of the machines that chaos breaks.
 */
export function prepareLater(root: string): void {
  const hosts = [process.execPath, "deploy/images/build-hosts.ts"];
  for (const command of [["bash", "test/fresh/bare-root.sh"], builderOf(join(root, "deploy/examples/blog")), hosts]) {
    const child = spawn("nice", command, { cwd: root, stdio: "ignore" });
    child.on("error", () => undefined);
    child.unref();
  }
}

/** Runs a command, shows its output as it comes and answers what it said on stdout. */
function runShown(
  command: readonly string[],
  cwd: string,
  show: Show = onTerminal,
): Promise<{ code: number; output: string }> {
  const [program = "", ...argv] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { cwd, stdio: ["ignore", "pipe", show === onTerminal ? "inherit" : "pipe"] });
    let output = "";
    child.stdout!.on("data", (data: Buffer) => {
      show(data);
      output += data.toString();
    });
    child.stderr?.on("data", show);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}

/** Benchmarks that there are: files of test/bench. */
export function benchmarks(root: string): string[] {
  const dir = join(root, "test", "bench");
  if (!existsSync(dir)) return [];
  return readdirSync(dir).flatMap((file) =>
    file.endsWith(".ts") && !file.includes(".test.") ? [file.slice(0, -3)] : [],
  );
}

/** Runs one benchmark, whose output is JSON lines; answers its exit code. */
export async function runBenchmark(root: string, name: string, parts: readonly string[]): Promise<number> {
  const { code } = await runShown([process.execPath, `test/bench/${name}.ts`, ...parts], root);
  return code;
}
