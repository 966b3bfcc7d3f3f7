import { Exposition } from "@trireme/telemetry";
import type { ProbeTally } from "../probes/prober.ts";

const TYPES = { startup: "Startup", readiness: "Readiness", liveness: "Liveness" } as const;

/** `/metrics/probes`: checks of running containers by outcome, under kubelet's name. */
export function renderProbes(tallies: readonly ProbeTally[]): string {
  const out = new Exposition();
  const total = out.family("prober_probe_total", "counter", "Checks of running containers, by result.");
  for (const { namespace, pod, uid, container, kind, successful, failed } of tallies) {
    const labels = { container, namespace, pod, pod_uid: uid, probe_type: TYPES[kind] };
    total.add({ ...labels, result: "successful" }, successful);
    total.add({ ...labels, result: "failed" }, failed);
  }
  return out.text();
}
