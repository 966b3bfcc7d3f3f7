import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, cpSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { type Any, ROOT, kubectl, triOk } from "../cluster.ts";
import { expectThat, must, within } from "../process.ts";

const RULES = join(ROOT, "deploy/prometheus/rules");

/** Of the rules' own durations: alerts wait a sixtieth of theirs, rates look over a fortieth. */
const WAITS = 1 / 60;
const RANGES = 1 / 40;

/** Nobody else's on a node. */
const PORT = 19_075;

/** One sample of an answer. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** The same rules in a hurry: every `for` and every `[range]` scaled. Thresholds stay. */
export function hurried(rules: string): string {
  const seconds = (text: string): number => Number(text.slice(0, -1)) * { s: 1, m: 60, h: 3600 }[text.at(-1)!]!;
  const scaled = (text: string, by: number): string => `${Math.max(1, Math.ceil(seconds(text) * by))}s`;
  const document = parse(rules) as { groups: { rules: Any[] }[] };
  for (const { rules: all } of document.groups) {
    for (const rule of all) {
      if (rule.for !== undefined) rule.for = scaled(rule.for, WAITS);
      rule.expr = rule.expr.replaceAll(/\[(\d+[smh])\]/g, (_: string, range: string) => `[${scaled(range, RANGES)}]`);
    }
  }
  return stringify(document);
}

/** Debian's Prometheus over the campaign's cluster, with what `tri metrics prometheus-config` prints. */
export class Prometheus {
  readonly dir = mkdtempSync(join(tmpdir(), "prometheus-"));
  private url = "";
  private child: ChildProcess | undefined;

  /** Writes the configuration, checks it with promtool, and starts in the network of a node, from which pods are reached. */
  async start({ netns, address }: { netns: string; address: string }): Promise<void> {
    this.url = `http://${address}:${PORT}`;
    writeFileSync(join(this.dir, "token"), await kubectl("create", "token", "prometheus", "-n", "monitoring"));
    const config = parse(await triOk("metrics", "prometheus-config", "--static")) as Any;
    config.global = { scrape_interval: "2s", scrape_timeout: "2s", evaluation_interval: "1s" };
    writeFileSync(join(this.dir, "prometheus.yml"), stringify(config));
    cpSync(RULES, join(this.dir, "rules"), { recursive: true });
    await must("promtool", ["check", "config", join(this.dir, "prometheus.yml")]);
    for (const file of readdirSync(RULES)) {
      writeFileSync(join(this.dir, "rules", file), hurried(readFileSync(join(RULES, file), "utf8")));
    }
    const log = openSync(join(this.dir, "log"), "a");
    const { host } = new URL(this.url);
    const flags = [`--web.listen-address=${host}`, "--storage.tsdb.path=data", "--config.file=prometheus.yml"];
    // `nsenter` becomes Prometheus, under the same pid.
    const command = [`--net=/run/netns/${netns}`, `--wd=${this.dir}`, "prometheus", ...flags];
    this.child = spawn("nsenter", command, { stdio: ["ignore", log, log] });
    closeSync(log);
    await within(20_000, "prometheus answers", async () => {
      expectThat((await fetch(`${this.url}/-/ready`)).ok, readFileSync(join(this.dir, "log"), "utf8").slice(-2000));
    });
  }

  async stop(): Promise<void> {
    if (this.child?.exitCode === null) {
      const ended = once(this.child, "exit");
      this.child.kill("SIGKILL");
      await ended;
    }
    rmSync(this.dir, { recursive: true });
  }

  /** An instant query's samples. Throws for one that is no query. */
  async query(expr: string): Promise<readonly Sample[]> {
    const answer = await fetch(`${this.url}/api/v1/query?${new URLSearchParams({ query: expr }).toString()}`);
    const body = (await answer.json()) as Any;
    if (body.status !== "success") throw new Error(`${expr}: ${body.error}`);
    return body.data.result;
  }

  /** What is scraped: the job, where, and what went wrong last. */
  async targets(): Promise<readonly { job: string; url: string; health: string; error: string }[]> {
    const body = (await (await fetch(`${this.url}/api/v1/targets?state=active`)).json()) as Any;
    return body.data.activeTargets.map((one: Any) => ({
      job: one.labels.job,
      url: one.scrapeUrl,
      health: one.health,
      error: one.lastError,
    }));
  }

  /** The alerts in a state now, as `<name without Trireme> <what it is about>`, sorted. */
  async alerts(state: "firing" | "pending"): Promise<readonly string[]> {
    const body = (await (await fetch(`${this.url}/api/v1/alerts`)).json()) as Any;
    return body.data.alerts
      .filter((one: Any) => one.state === state)
      .map(nameOf)
      .toSorted();
  }
}

function nameOf({ labels, annotations }: Any): string {
  for (const key of ["summary", "description", "runbook"]) {
    if (!annotations[key]) throw new Error(`${labels.alertname} has no ${key}`);
  }
  const about = labels.node && labels.alertname === "TriremeNodeNotReady" ? labels.node : undefined;
  const what =
    about ?? labels.pod ?? labels.deployment ?? labels.persistentvolumeclaim ?? labels.verb ?? labels.instance ?? "";
  return `${labels.alertname.replace("Trireme", "")} ${what}`.trim();
}
