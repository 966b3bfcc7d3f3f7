import { type Container, type Pod, parseQuantity } from "@trireme/api";

/** Amounts by resource name: `cpu` in millicores, everything else in whole units (bytes, pods, devices). */
export type ResourceAmounts = Readonly<Record<string, number>>;

// What the least-allocated scores assume of a container that requests nothing, as Kubernetes does: else any number of
// such pods would look free and pile up on one node.
const ASSUMED_CPU_MILLI = 100;
const ASSUMED_MEMORY_BYTES = 200 * 1024 * 1024;

/** Reads a `requests`, `limits` or `allocatable` map. */
export function amountsOf(quantities: Readonly<Record<string, string>> | undefined): ResourceAmounts {
  const amounts: Record<string, number> = {};
  for (const [name, quantity] of Object.entries(quantities ?? {})) {
    const parsed = parseQuantity(quantity);
    amounts[name] = name === "cpu" ? parsed.milli : parsed.value;
  }
  return amounts;
}

/**
 * What a pod needs of its node: the sum over its containers and sidecars, or what its most demanding init container
 * needs beside the sidecars started before it, whichever is greater; plus overhead; plus one place among the pods.
 */
export function podRequests(pod: Pod): ResourceAmounts {
  return combine(pod, containerRequests);
}

/** As {@link podRequests}, with an assumption for containers that state nothing: for scoring alone. */
export function podRequestsForScoring(pod: Pod): ResourceAmounts {
  return combine(pod, (container) => {
    const requests = containerRequests(container);
    return {
      ...requests,
      cpu: requests["cpu"] ?? ASSUMED_CPU_MILLI,
      memory: requests["memory"] ?? ASSUMED_MEMORY_BYTES,
    };
  });
}

function combine(pod: Pod, requestsOf: (container: Container) => ResourceAmounts): ResourceAmounts {
  const running: Record<string, number> = {};
  for (const container of pod.spec.containers) addTo(running, requestsOf(container));
  const sidecars: Record<string, number> = {};
  const starting: Record<string, number> = {};
  for (const container of pod.spec.initContainers ?? []) {
    const isSidecar = container.restartPolicy === "Always";
    const needed = requestsOf(container);
    if (isSidecar) {
      addTo(running, needed);
      addTo(sidecars, needed);
      raiseTo(starting, sidecars);
    } else {
      const beside = { ...sidecars };
      addTo(beside, needed);
      raiseTo(starting, beside);
    }
  }
  raiseTo(running, starting);
  addTo(running, amountsOf(pod.spec.overhead));
  running["pods"] = 1;
  return running;
}

function containerRequests(container: Container): ResourceAmounts {
  // A limit without a request is the request as well; the API defaults it so, older objects may lack it.
  return amountsOf({ ...container.resources?.limits, ...container.resources?.requests });
}

/** Adds `more` to `total` in place. */
export function addTo(total: Record<string, number>, more: ResourceAmounts, sign: 1 | -1 = 1): void {
  for (const [name, amount] of Object.entries(more)) total[name] = (total[name] ?? 0) + sign * amount;
}

function raiseTo(total: Record<string, number>, least: ResourceAmounts): void {
  for (const [name, amount] of Object.entries(least)) total[name] = Math.max(total[name] ?? 0, amount);
}
