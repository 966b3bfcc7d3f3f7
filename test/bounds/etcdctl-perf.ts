// Goal: etcd's own check of performance calls the store fast enough. Method: Debian's `etcdctl check perf`, unchanged.
import { spawn } from "node:child_process";
import { LoopbackStores } from "../bench/store/loopback.ts";
import { expectAtMost } from "./report.ts";

export async function boundPerf(load: string): Promise<void> {
  const stores = await LoopbackStores.start();
  try {
    const { member } = await stores.leader();
    const args = [...stores.etcdctlFlags([member]), "check", "perf", `--load=${load}`];
    const child = spawn("etcdctl", args, {
      env: { ...process.env, ETCDCTL_API: "3" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.on("data", (data: Buffer) => (said += data.toString()));
    const code = await new Promise<number>((resolve) => child.once("close", (ended) => resolve(ended ?? 1)));
    // What it prints for progress is drawn over and over on one line.
    process.stdout.write(`${said.slice(said.lastIndexOf("\r") + 1).trim()}\n`);
    expectAtMost(`etcdctl check perf --load=${load}: exit code`, code, 0, "");
  } finally {
    await stores.stop();
  }
}
