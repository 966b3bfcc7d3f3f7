import { describe, expect, it } from "vitest";
import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, Pod } from "@trireme/api";
import { type History, NO_HISTORY, allow, scaled } from "./behavior.ts";
import { decideAutoscaler } from "./decide.ts";
import type { MeasuredPod } from "./metrics.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

interface PodFacts {
  readonly cpuMillis?: number;
  readonly startedAgo?: number;
  readonly readyAgo?: number;
  readonly ready?: boolean;
  readonly phase?: string;
  readonly request?: string;
  readonly deleted?: boolean;
}

function podOf(facts: PodFacts): MeasuredPod {
  const { cpuMillis, startedAgo = 600, readyAgo = startedAgo - 1, ready = true, phase = "Running" } = facts;
  const requests = facts.request === "" ? {} : { cpu: facts.request ?? "100m" };
  const pod: Pod = {
    metadata: { name: "p", namespace: "ns", ...(facts.deleted ? { deletionTimestamp: ago(1) } : {}) },
    spec: { containers: [{ name: "main", resources: { requests } }] },
    status: {
      phase,
      startTime: ago(startedAgo),
      conditions: [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime: ago(readyAgo) }],
    },
  };
  if (cpuMillis === undefined) return { pod, usage: undefined };
  const usage = { cpuMillis, memoryBytes: 1000 };
  return { pod, usage: { ...usage, windowMs: 2000, containers: { main: usage }, atMs: NOW } };
}

function autoscalerOf(spec: Partial<HorizontalPodAutoscalerSpec> = {}): HorizontalPodAutoscaler {
  const target = { type: "Utilization", averageUtilization: 50 };
  return {
    metadata: { name: "h", namespace: "ns", generation: 3 },
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
      minReplicas: 1,
      maxReplicas: 10,
      metrics: [{ type: "Resource", resource: { name: "cpu", target } }],
      ...spec,
    },
  };
}

const EAGER = { scaleDown: { stabilizationWindowSeconds: 0 } };

function decide(
  spec: Partial<HorizontalPodAutoscalerSpec>,
  wanted: number,
  pods: readonly PodFacts[],
  history: History = NO_HISTORY,
) {
  const autoscaler = autoscalerOf({ behavior: EAGER, ...spec });
  return decideAutoscaler({ autoscaler, wanted, present: wanted, pods: pods.map(podOf), history }, NOW);
}

const conditionOf = (decision: ReturnType<typeof decide>, type: string) =>
  decision.status.conditions?.find((one) => one.type === type);

describe("the wanted size", () => {
  const repeat = (count: number, facts: PodFacts): PodFacts[] => Array.from({ length: count }, () => facts);

  it.each<[string, number, PodFacts[], number | undefined]>([
    ["grows with the ratio", 2, repeat(2, { cpuMillis: 100 }), 4],
    ["rounds up", 2, repeat(2, { cpuMillis: 60 }), 3],
    ["stays within the tolerance", 2, repeat(2, { cpuMillis: 54 }), undefined],
    ["shrinks with the ratio", 4, repeat(4, { cpuMillis: 10 }), 1],
    ["counts a missing pod as idle on the way up", 2, [{ cpuMillis: 140 }, {}], 3],
    ["counts a missing pod as busy on the way down", 2, [{ cpuMillis: 5 }, {}], undefined],
    ["counts a starting pod as idle", 2, [{ cpuMillis: 150 }, { cpuMillis: 900, startedAgo: 3, readyAgo: 0.5 }], 3],
    ["does not turn round for pods that are not seen", 4, [{ cpuMillis: 55 }, {}, {}, {}], undefined],
    [
      "believes a young pod that was measured since it is ready",
      1,
      [{ cpuMillis: 300, startedAgo: 9, readyAgo: 8 }],
      5,
    ],
    ["leaves out what is going away", 1, [{ cpuMillis: 50 }, { cpuMillis: 900, deleted: true }], undefined],
    ["ignores what has failed", 1, [{ cpuMillis: 50 }, { cpuMillis: 900, phase: "Failed" }], undefined],
  ])("%s", (_, wanted, pods, expected) => {
    expect(decide({}, wanted, pods).replicas).toBe(expected);
  });

  it("follows an average amount", () => {
    const target = { type: "AverageValue", averageValue: "200m" };
    const metrics = [{ type: "Resource", resource: { name: "cpu", target } }];
    const decision = decide({ metrics }, 2, repeat(2, { cpuMillis: 400, request: "" }));
    expect(decision.replicas).toBe(4);
    expect(decision.status.currentMetrics).toEqual([
      { type: "Resource", resource: { name: "cpu", current: { averageValue: "400m" } } },
    ]);
  });

  it("keeps within the bounds and says so", () => {
    const decision = decide({ maxReplicas: 3 }, 1, [{ cpuMillis: 300 }]);
    expect(decision.replicas).toBe(3);
    expect(decision.status).toMatchObject({ currentReplicas: 1, desiredReplicas: 3, observedGeneration: 3 });
    expect(decision.reason).toBe("cpu resource utilization (percentage of request) above target");
    expect(conditionOf(decision, "ScalingLimited")).toMatchObject({ status: "True", reason: "TooManyReplicas" });
    expect(conditionOf(decision, "AbleToScale")).toMatchObject({ status: "True", reason: "SucceededRescale" });
    expect(decide({ minReplicas: 2 }, 1, []).replicas).toBe(2);
    expect(decide({ maxReplicas: 3 }, 7, []).replicas).toBe(3);
  });

  it("takes the greatest of several metrics, and shrinks only when all are known", () => {
    const of = (name: string, averageUtilization: number) => ({
      type: "Resource",
      resource: { name, target: { type: "Utilization", averageUtilization } },
    });
    const metrics = [of("cpu", 50), of("cpu", 25)];
    expect(decide({ metrics }, 2, repeat(2, { cpuMillis: 50 })).replicas).toBe(4);
    const unknown = [of("cpu", 50), of("memory", 50)];
    expect(decide({ metrics: unknown }, 2, repeat(2, { cpuMillis: 5 })).replicas).toBeUndefined();
    expect(decide({ metrics: unknown }, 2, repeat(2, { cpuMillis: 90 })).replicas).toBe(4);
  });
});

describe("without measurements", () => {
  it("keeps the size and says what is missing", () => {
    const decision = decide({}, 3, [{}, {}, {}]);
    expect(decision.replicas).toBeUndefined();
    expect(decision.status.desiredReplicas).toBe(3);
    expect(conditionOf(decision, "ScalingActive")).toMatchObject({
      status: "False",
      reason: "FailedGetResourceMetric",
    });
    expect(decision.failure?.reason).toBe("FailedGetResourceMetric");
  });

  it("names the container that requests nothing", () => {
    const decision = decide({}, 1, [{ cpuMillis: 5, request: "" }]);
    expect(decision.failure?.message).toContain("missing request for cpu in container main of Pod p");
  });

  it("does nothing to a target that was set to zero", () => {
    const decision = decide({}, 0, []);
    expect(decision.replicas).toBeUndefined();
    expect(conditionOf(decision, "ScalingActive")).toMatchObject({ status: "False", reason: "ScalingDisabled" });
  });
});

describe("behaviour", () => {
  const at = (seconds: number): number => NOW + seconds * 1000;

  it("shrinks only to the greatest size asked for within the window", () => {
    const autoscaler = autoscalerOf({ behavior: { scaleDown: { stabilizationWindowSeconds: 60 } } });
    let history = NO_HISTORY;
    const ask = (seconds: number, wanted: number) => {
      const allowed = allow(autoscaler, 6, wanted, history, at(seconds));
      ({ history } = allowed);
      return allowed;
    };
    expect(ask(0, 6).replicas).toBe(6);
    expect(ask(30, 4)).toMatchObject({ replicas: 6, able: { reason: "ScaleDownStabilized" } });
    expect(ask(61, 2).replicas).toBe(4);
    expect(ask(91, 2)).toMatchObject({ replicas: 2, able: { reason: "ReadyForNewScale" } });
  });

  it("shrinks nothing at once in a new office", () => {
    expect(allow(autoscalerOf(), 6, 1, NO_HISTORY, NOW).replicas).toBe(6);
  });

  it("grows by four or to the double within 15 s, whichever is more", () => {
    const autoscaler = autoscalerOf({ maxReplicas: 100 });
    expect(allow(autoscaler, 1, 50, NO_HISTORY, NOW)).toMatchObject({
      replicas: 5,
      limited: { status: "True", reason: "ScaleUpLimit" },
    });
    const history = scaled(NO_HISTORY, 1, 5, NOW);
    expect(allow(autoscaler, 5, 50, history, at(5)).replicas).toBe(5);
    expect(allow(autoscaler, 5, 50, history, at(16)).replicas).toBe(10);
  });

  it("follows policies, and Disabled", () => {
    const policies = [
      { type: "Pods", value: 1, periodSeconds: 10 },
      { type: "Percent", value: 50, periodSeconds: 10 },
    ];
    const down = (selectPolicy: string): number =>
      allow(
        autoscalerOf({ behavior: { scaleDown: { stabilizationWindowSeconds: 0, selectPolicy, policies } } }),
        8,
        1,
        NO_HISTORY,
        NOW,
      ).replicas;
    expect([down("Max"), down("Min"), down("Disabled")]).toEqual([4, 7, 8]);
  });
});
