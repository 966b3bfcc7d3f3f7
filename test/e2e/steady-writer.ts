/**
 * `node steady-writer.ts KUBECONFIG RATE`: creates RATE ConfigMaps a second in `default`, each under a new name, none twice,
 * until its standard input ends; then prints a {@link SteadyReport}. The rate is held by the clock, not by the count of a
 * timer's turns: a busy machine gives a timer fewer turns than it was promised. A process of its own, so that what a test does
 * delays no write.
 */
import { CONFIGMAPS, type ConfigMap } from "@trireme/api";
import { followingClient } from "./following-client.ts";

/** What a writer prints. */
export interface SteadyReport {
  /** Names of ConfigMaps whose creation was acknowledged. */
  readonly acknowledged: readonly string[];
  readonly failed: number;
  readonly perSecond: number;
}

const [kubeconfig = "", rate] = process.argv.slice(2);
const perSecond = Number(rate);
const { client, close } = followingClient(kubeconfig);
const maps = client.resource<ConfigMap>(CONFIGMAPS, "default");
const acknowledged: string[] = [];
const underWay = new Set<Promise<void>>();
let failed = 0;
let number = 0;
const start = performance.now();

function write(): void {
  const name = `w-${number++}`;
  const writing = maps.create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name } } as ConfigMap).then(
    () => void acknowledged.push(name),
    () => void (failed += 1),
  );
  underWay.add(writing);
  void writing.finally(() => underWay.delete(writing));
}

const timer = setInterval(() => {
  const due = ((performance.now() - start) / 1000) * perSecond;
  while (number < due) write();
}, 1000 / perSecond);

process.stdin.resume().once("end", () => {
  clearInterval(timer);
  void Promise.all(underWay).then(() => {
    const report = { acknowledged, failed, perSecond: (acknowledged.length / (performance.now() - start)) * 1000 };
    process.stdout.write(JSON.stringify(report), () => close());
  });
});
