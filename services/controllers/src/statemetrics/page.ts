import type { Pod } from "@trireme/api";
import type { ApiReads } from "@trireme/controller";
import { Exposition, type Page } from "@trireme/telemetry";
import { type ClusterObjects, clusterSeries } from "./cluster-series.ts";
import { podSeries } from "./pod-series.ts";
import { type Workloads, workloadSeries } from "./workload-series.ts";

/** Everything that kube_* series are made of, read from the controllers' caches at the moment of a scrape. */
export interface StateSource extends Workloads, ClusterObjects {
  readonly pods: readonly Pod[];
  /** Lists and watches of the API so far, by resource and result. */
  readonly reads: readonly ApiReads[];
}

/**
 * What kube-state-metrics would tell. Only the server that holds the controllers' office answers with series, the others with
 * an empty page: each series is there once, and it moves with the office.
 */
export function statePage(isLeader: () => boolean, read: () => StateSource): Page {
  return async () => (isLeader() ? renderState(read()) : "");
}

/** Renders the page. */
export function renderState(source: StateSource): string {
  const out = new Exposition();
  podSeries(out, source.pods);
  workloadSeries(out, source);
  clusterSeries(out, source);
  for (const [kind, field] of [
    ["list", "lists"],
    ["watch", "watches"],
  ] as const) {
    const family = out.family(`kube_state_metrics_${kind}_total`, "counter", `Ended ${kind}s of the API, by result.`);
    for (const { resource, result, ...counts } of source.reads) family.add({ resource, result }, counts[field]);
  }
  return out.text();
}
