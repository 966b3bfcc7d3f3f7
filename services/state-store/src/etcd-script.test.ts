import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { credentials } from "@grpc/grpc-js";
import { ClusterClient, KVClient, LeaseClient, MaintenanceClient, WatchClient } from "@trireme/proto/etcdserverpb/rpc";
import { type ScriptCommand, rewriteScript, runScript } from "@trireme/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Clients, StoreHarness, call } from "./app-harness.ts";
import { EtcdScript } from "./etcd-script.ts";

/*
 * Goal: whatever a client says, it hears from us what it would hear from etcd: the same codes, texts and revisions.
 * Method: scripts of requests whose answers were recorded from a real etcd, run against one of our members through the
 * real gRPC door. ETCD=/usr/bin/etcd runs them against that program instead; with UPDATE=1 it records anew.
 */
const FOLDER = new URL("../testdata/", import.meta.url);
const scripts = readdirSync(FOLDER).filter((name) => name.endsWith(".txt"));
const { ETCD } = process.env;

interface Target {
  readonly clients: Clients;
  stop(): Promise<void>;
}

let target: Target | undefined;
let harness: StoreHarness;
beforeAll(async () => {
  harness = await StoreHarness.create();
});
afterEach(() => target?.stop());
afterAll(() => harness.close());

async function ours(name: string, address: string): Promise<Target> {
  const config = await harness.config(name, address);
  await harness.start(config);
  return { clients: harness.clients(config), stop: () => harness.stop(name) };
}

async function theirs(program: string, address: string): Promise<Target> {
  const dir = mkdtempSync(path.join(tmpdir(), "etcd-"));
  const [client, peer] = [`http://${address}:12379`, `http://${address}:12380`];
  const child: ChildProcess = spawn(
    program,
    [
      `--data-dir=${dir}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
    ],
    { stdio: "ignore" },
  );
  const open = <C>(Client: new (to: string, plain: ReturnType<typeof credentials.createInsecure>) => C): C =>
    new Client(`${address}:12379`, credentials.createInsecure());
  const clients = {
    kv: open(KVClient),
    lease: open(LeaseClient),
    cluster: open(ClusterClient),
    maintenance: open(MaintenanceClient),
    watch: open(WatchClient),
  };
  await expect
    .poll(() => call<{ leader: bigint }>((done) => clients.maintenance.status({}, done)).catch(() => 0n), {
      timeout: 20_000,
    })
    .toMatchObject({ leader: expect.anything() });
  const stop = async (): Promise<void> => {
    for (const each of Object.values(clients)) each.close();
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
    rmSync(dir, { recursive: true });
  };
  return { clients, stop };
}

describe("what etcd says", () => {
  it("was recorded", () => expect(scripts.length).toBeGreaterThan(3));

  it.each(scripts)("%s", async (name) => {
    const file = new URL(name, FOLDER).pathname;
    const address = `127.1.2.${scripts.indexOf(name) + 1}`;
    target = ETCD === undefined ? await ours(name, address) : await theirs(ETCD, address);
    const talk = new EtcdScript(target.clients);
    const commands: ScriptCommand[] = [];
    const text = readFileSync(file, "utf8");
    rewriteScript(text, file, (command) => {
      commands.push(command);
      return "";
    });
    const recorded = text.split("\n----\n").slice(1);
    const linesOf = (at: number): number | undefined => {
      if (process.env["UPDATE"] === "1") return undefined;
      const [answer = ""] = recorded[at]!.split("\n\n");
      return answer.trim() === "ok" ? 0 : answer.trim().split("\n").length;
    };
    const answers: string[] = [];
    for (const [at, command] of commands.entries()) answers.push(await talk.execute(command, linesOf(at)));
    talk.close();
    const { expected, actual } = runScript(file, () => answers.shift()!);
    expect(actual).toBe(expected);
  });
});
