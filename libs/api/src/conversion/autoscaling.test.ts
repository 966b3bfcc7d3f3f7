import { describe, expect, it } from "vitest";
import {
  HORIZONTALPODAUTOSCALERS_V1,
  type HorizontalPodAutoscaler,
  type HorizontalPodAutoscalerSpec,
  type HorizontalPodAutoscalerV1,
  type MetricSpec,
  spokenForm,
} from "../index.ts";

const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };
const PREFIX = "autoscaling.alpha.kubernetes.io";

function stored(spec: Partial<HorizontalPodAutoscalerSpec>): HorizontalPodAutoscaler {
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "web", namespace: "default", annotations: { mine: "1" } },
    spec: { scaleTargetRef, minReplicas: 1, maxReplicas: 3, ...spec },
  };
}

const toV1 = (object: HorizontalPodAutoscaler) =>
  spokenForm(HORIZONTALPODAUTOSCALERS_V1, object) as HorizontalPodAutoscalerV1;
const toV2 = (object: HorizontalPodAutoscalerV1) =>
  HORIZONTALPODAUTOSCALERS_V1.conversion!.toStored(object) as HorizontalPodAutoscaler;

const cpu: MetricSpec = {
  type: "Resource",
  resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 70 } },
};
const selector = { matchLabels: { verb: "GET" } };
const others: MetricSpec[] = [
  { type: "Resource", resource: { name: "memory", target: { type: "AverageValue", averageValue: "64Mi" } } },
  {
    type: "ContainerResource",
    containerResource: { name: "cpu", container: "c", target: { type: "Utilization", averageUtilization: 50 } },
  },
  { type: "Pods", pods: { metric: { name: "rate", selector }, target: { type: "AverageValue", averageValue: "10" } } },
  {
    type: "Object",
    object: { describedObject: scaleTargetRef, metric: { name: "hits" }, target: { type: "Value", value: "2k" } },
  },
  {
    type: "External",
    external: { metric: { name: "queue", selector }, target: { type: "AverageValue", averageValue: "30" } },
  },
];

describe("autoscaling/v1", () => {
  it("says a share of CPU in its own field", () => {
    const v1 = toV1(stored({ metrics: [cpu] }));
    expect(v1.apiVersion).toBe("autoscaling/v1");
    expect(v1.spec).toEqual({ scaleTargetRef, minReplicas: 1, maxReplicas: 3, targetCPUUtilizationPercentage: 70 });
    expect(v1.metadata.annotations).toEqual({ mine: "1" });
    expect(toV2(v1)).toEqual(stored({ metrics: [cpu] }));
  });

  it("carries everything else in annotations, and back", () => {
    const behavior = { scaleDown: { stabilizationWindowSeconds: 5, policies: [] } };
    const whole = stored({ metrics: [...others, cpu], behavior });
    whole.status = {
      currentReplicas: 2,
      desiredReplicas: 3,
      lastScaleTime: "2026-11-22T10:00:00Z",
      currentMetrics: [
        { type: "Resource", resource: { name: "cpu", current: { averageUtilization: 35, averageValue: "35m" } } },
        { type: "Pods", pods: { metric: { name: "rate", selector }, current: { averageValue: "7" } } },
      ],
      conditions: [{ type: "AbleToScale", status: "True", reason: "ReadyForNewScale", message: "ready" }],
    };
    const v1 = toV1(whole);
    expect(v1.status).toMatchObject({ currentReplicas: 2, desiredReplicas: 3, currentCPUUtilizationPercentage: 35 });
    expect(JSON.parse(v1.metadata.annotations![`${PREFIX}/metrics`]!)).toContainEqual({
      type: "Resource",
      resource: { name: "memory", targetAverageValue: "64Mi" },
    });
    expect(JSON.parse(v1.metadata.annotations![`${PREFIX}/current-metrics`]!)).toContainEqual({
      type: "Resource",
      resource: { name: "cpu", currentAverageUtilization: 35, currentAverageValue: "35m" },
    });
    expect(Object.keys(v1.metadata.annotations!)).toHaveLength(5);
    expect(toV2(v1)).toEqual(whole);
  });

  it("refuses annotations that cannot be read, by name", () => {
    for (const text of ["{", "5", '[{"type":"Resource","resource":{"name":7}}]']) {
      const v1 = toV1(stored({ metrics: [cpu] }));
      v1.metadata.annotations = { [`${PREFIX}/metrics`]: text };
      expect(() => toV2(v1), text).toThrow(`metadata.annotations[${PREFIX}/metrics]`);
    }
  });
});
