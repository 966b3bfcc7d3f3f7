import { describe, expect, it } from "vitest";
import {
  HORIZONTALPODAUTOSCALERS,
  type HorizontalPodAutoscaler,
  type HorizontalPodAutoscalerSpec,
  applyDefaults,
  tableFor,
  validateCreate,
} from "../index.ts";

function autoscaler(spec: Partial<HorizontalPodAutoscalerSpec> = {}): HorizontalPodAutoscaler {
  return applyDefaults(HORIZONTALPODAUTOSCALERS, {
    metadata: { name: "web", namespace: "default" },
    spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" }, maxReplicas: 3, ...spec },
  });
}

describe("HorizontalPodAutoscaler", () => {
  it("has Kubernetes' defaults", () => {
    const { spec } = autoscaler({ behavior: { scaleDown: { stabilizationWindowSeconds: 5 } } });
    const target = { type: "Utilization", averageUtilization: 80 };
    expect(spec.minReplicas).toBe(1);
    expect(spec.metrics).toEqual([{ type: "Resource", resource: { name: "cpu", target } }]);
    expect(spec.behavior?.scaleDown).toEqual({
      stabilizationWindowSeconds: 5,
      selectPolicy: "Max",
      policies: [{ type: "Percent", value: 100, periodSeconds: 15 }],
    });
    expect(spec.behavior?.scaleUp).toMatchObject({ stabilizationWindowSeconds: 0, selectPolicy: "Max" });
    expect(autoscaler().spec.behavior).toBeUndefined();
  });

  const of = (target: object) => ({ metrics: [{ type: "Resource", resource: { name: "cpu", target } }] }) as never;
  it.each<[string, Partial<HorizontalPodAutoscalerSpec>, string]>([
    ["bounds the wrong way round", { minReplicas: 4 }, "spec.maxReplicas"],
    ["a least number of zero", { minReplicas: 0 }, "spec.minReplicas"],
    ["an unknown source", { metrics: [{ type: "Weather" }] }, "spec.metrics[0].type"],
    ["a source that is not there", { metrics: [{ type: "Resource" }] }, "spec.metrics[0].resource"],
    ["no target", of({ type: "Utilization" }), "spec.metrics[0].resource.target.averageUtilization"],
    [
      "two targets",
      of({ type: "Utilization", averageUtilization: 1, averageValue: "1" }),
      "spec.metrics[0].resource.target.averageValue",
    ],
    [
      "a window beyond an hour",
      { behavior: { scaleUp: { stabilizationWindowSeconds: 3601 } } },
      "spec.behavior.scaleUp.stabilizationWindowSeconds",
    ],
    [
      "a policy of no size",
      { behavior: { scaleDown: { policies: [{ type: "Pods", value: 0, periodSeconds: 1 }] } } },
      "spec.behavior.scaleDown.policies[0].value",
    ],
  ])("refuses %s", (_, spec, field) => {
    expect(validateCreate(HORIZONTALPODAUTOSCALERS, autoscaler(spec)).map((problem) => problem.field)).toEqual([field]);
  });

  it("accepts what is right", () => {
    expect(validateCreate(HORIZONTALPODAUTOSCALERS, autoscaler({ behavior: { scaleUp: {} } }))).toEqual([]);
  });

  it("prints as kubectl does", () => {
    const cells = (object: HorizontalPodAutoscaler): string =>
      tableFor(HORIZONTALPODAUTOSCALERS, [object], { now: 0 }).rows[0]!.cells.join(" | ");
    expect(cells(autoscaler())).toBe("web | Deployment/web | cpu: <unknown>/80% | 1 | 3 | 0 | <unknown>");
    const current = { averageUtilization: 12, averageValue: "12m" };
    const measured = {
      ...autoscaler(),
      status: {
        desiredReplicas: 2,
        currentReplicas: 2,
        currentMetrics: [{ type: "Resource", resource: { name: "cpu", current } }],
      },
    };
    expect(cells(measured)).toBe("web | Deployment/web | cpu: 12%/80% | 1 | 3 | 2 | <unknown>");
  });
});
