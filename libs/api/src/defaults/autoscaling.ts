import type { HPAScalingRules, HorizontalPodAutoscaler } from "../kinds.ts";

/** CPU at this share of the requests, when an autoscaler does not say what to look at. */
const DEFAULT_CPU_UTILIZATION = 80;

/** Rules of growing that a manifest does not give. */
export const SCALE_UP_DEFAULTS = {
  stabilizationWindowSeconds: 0,
  selectPolicy: "Max",
  policies: [
    { type: "Pods", value: 4, periodSeconds: 15 },
    { type: "Percent", value: 100, periodSeconds: 15 },
  ],
} as const;

/** Rules of shrinking that a manifest does not give; a window that it leaves out is the controller's to choose. */
export const SCALE_DOWN_DEFAULTS = {
  selectPolicy: "Max",
  policies: [{ type: "Percent", value: 100, periodSeconds: 15 }],
} as const;

interface RuleDefaults {
  readonly stabilizationWindowSeconds?: number;
  readonly selectPolicy: string;
  readonly policies: readonly Readonly<{ type: string; value: number; periodSeconds: number }>[];
}

function withDefaults(given: HPAScalingRules | undefined, defaults: RuleDefaults): HPAScalingRules {
  const { stabilizationWindowSeconds: window, selectPolicy, policies } = defaults;
  const rules: HPAScalingRules = { ...given };
  if (window !== undefined) rules.stabilizationWindowSeconds ??= window;
  rules.selectPolicy ??= selectPolicy;
  rules.policies ??= policies.map((policy) => ({ ...policy }));
  return rules;
}

/** Fills in what an autoscaler leaves out. */
export function defaultAutoscaler({ spec }: HorizontalPodAutoscaler): void {
  if (!spec) return;
  spec.minReplicas ??= 1;
  if (!spec.metrics?.length) {
    const target = { type: "Utilization", averageUtilization: DEFAULT_CPU_UTILIZATION };
    spec.metrics = [{ type: "Resource", resource: { name: "cpu", target } }];
  }
  if (!spec.behavior) return;
  spec.behavior.scaleUp = withDefaults(spec.behavior.scaleUp, SCALE_UP_DEFAULTS);
  spec.behavior.scaleDown = withDefaults(spec.behavior.scaleDown, SCALE_DOWN_DEFAULTS);
}
