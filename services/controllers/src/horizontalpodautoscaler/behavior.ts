import {
  type HPAScalingRules,
  type HorizontalPodAutoscaler,
  SCALE_DOWN_DEFAULTS,
  SCALE_UP_DEFAULTS,
} from "@trireme/api";

/** A load that comes back within this time finds its pods still there, unless the autoscaler says otherwise. */
const SCALE_DOWN_WINDOW_SECONDS = 300;

/** No rule looks further back. */
const MAX_WINDOW_MS = 3600_000;

/** More decisions than any window holds at the pace of a sync; the oldest go first. */
const MAX_REMEMBERED = 4096;

/** A number of replicas that was asked for, or a change that was made. */
export interface Entry {
  readonly atMs: number;
  readonly replicas: number;
}

/** What must be remembered of an autoscaler between two decisions. A new office begins with nothing. */
export interface History {
  readonly recommended: readonly Entry[];
  readonly added: readonly Entry[];
  readonly removed: readonly Entry[];
}

/** Nothing happened yet. */
export const NO_HISTORY: History = { recommended: [], added: [], removed: [] };

/** What is allowed of what is wanted, and why not more. */
export interface Allowed {
  readonly replicas: number;
  readonly history: History;
  readonly able: { readonly reason: string; readonly message: string };
  readonly limited: { readonly status: "True" | "False"; readonly reason: string; readonly message: string };
}

type Rules = Required<Pick<HPAScalingRules, "stabilizationWindowSeconds" | "selectPolicy" | "policies">>;

function rulesOf(given: HPAScalingRules | undefined, direction: "up" | "down"): Rules {
  const defaults = direction === "up" ? SCALE_UP_DEFAULTS : SCALE_DOWN_DEFAULTS;
  return {
    stabilizationWindowSeconds:
      given?.stabilizationWindowSeconds ?? (direction === "up" ? 0 : SCALE_DOWN_WINDOW_SECONDS),
    selectPolicy: given?.selectPolicy ?? defaults.selectPolicy,
    policies: given?.policies ?? defaults.policies.map((policy) => ({ ...policy })),
  };
}

/** Holds a wish against the windows, the policies and the bounds of an autoscaler. Pure. */
export function allow(
  { spec }: HorizontalPodAutoscaler,
  current: number,
  wanted: number,
  before: History,
  now: number,
): Allowed {
  const up = rulesOf(spec.behavior?.scaleUp, "up");
  const down = rulesOf(spec.behavior?.scaleDown, "down");
  // The first decision takes the present size as if it had been asked for: a new office shrinks nothing at once.
  const past = before.recommended.length === 0 ? [{ atMs: now, replicas: current }] : before.recommended;
  const since = (seconds: number): number[] =>
    past.filter(({ atMs }) => atMs > now - seconds * 1000).map(({ replicas }) => replicas);
  const floor = Math.min(wanted, ...since(up.stabilizationWindowSeconds));
  const ceiling = Math.max(wanted, ...since(down.stabilizationWindowSeconds));
  const stable = Math.max(floor, Math.min(ceiling, current));
  const history = {
    ...before,
    recommended: [...past.filter(({ atMs }) => atMs > now - MAX_WINDOW_MS), { atMs: now, replicas: wanted }].slice(
      -MAX_REMEMBERED,
    ),
  };
  return { ...bound(spec, current, stable, { up, down }, history, now), able: ableOf(wanted, stable), history };
}

function ableOf(wanted: number, stable: number): Allowed["able"] {
  if (stable > wanted) {
    const message = "recent recommendations were higher than current one, applying the highest recent recommendation";
    return { reason: "ScaleDownStabilized", message };
  }
  if (stable < wanted) {
    const message = "recent recommendations were lower than current one, applying the lowest recent recommendation";
    return { reason: "ScaleUpStabilized", message };
  }
  return { reason: "ReadyForNewScale", message: "recommended size matches current size" };
}

function bound(
  { minReplicas = 1, maxReplicas }: HorizontalPodAutoscaler["spec"],
  current: number,
  wanted: number,
  { up, down }: { readonly up: Rules; readonly down: Rules },
  history: History,
  now: number,
): Pick<Allowed, "replicas" | "limited"> {
  const limited = (replicas: number, reason: string, message: string): Pick<Allowed, "replicas" | "limited"> => ({
    replicas,
    limited: { status: "True", reason, message },
  });
  if (wanted > current) {
    const limit = Math.max(current, limitOf(up, "up", current, history, now));
    if (wanted > maxReplicas && maxReplicas <= limit) {
      return limited(
        maxReplicas,
        "TooManyReplicas",
        "the desired replica count is more than the maximum replica count",
      );
    }
    if (wanted > limit)
      return limited(
        limit,
        "ScaleUpLimit",
        "the desired replica count is increasing faster than the maximum scale rate",
      );
  } else if (wanted < current) {
    const limit = Math.min(current, limitOf(down, "down", current, history, now));
    if (wanted < minReplicas && minReplicas >= limit) {
      return limited(minReplicas, "TooFewReplicas", "the desired replica count is less than the minimum replica count");
    }
    if (wanted < limit)
      return limited(
        limit,
        "ScaleDownLimit",
        "the desired replica count is decreasing faster than the maximum scale rate",
      );
  }
  const message = "the desired count is within the acceptable range";
  const replicas = Math.min(maxReplicas, Math.max(minReplicas, wanted));
  if (replicas < wanted) {
    return limited(replicas, "TooManyReplicas", "the desired replica count is more than the maximum replica count");
  }
  if (replicas > wanted) {
    return limited(replicas, "TooFewReplicas", "the desired replica count is less than the minimum replica count");
  }
  return { replicas, limited: { status: "False", reason: "DesiredWithinRange", message } };
}

/** How far the policies of one direction let the size go now. */
function limitOf(rules: Rules, direction: "up" | "down", current: number, history: History, now: number): number {
  if (rules.selectPolicy === "Disabled") return current;
  const limits = rules.policies.map(({ type, value, periodSeconds }) => {
    const changed = (entries: readonly Entry[]): number =>
      entries.filter(({ atMs }) => atMs > now - periodSeconds * 1000).reduce((sum, { replicas }) => sum + replicas, 0);
    const start = current - changed(history.added) + changed(history.removed);
    if (direction === "up") return type === "Pods" ? start + value : Math.ceil(start * (1 + value / 100));
    return type === "Pods" ? start - value : Math.floor(start * (1 - value / 100));
  });
  const widest = direction === "up" ? Math.max : Math.min;
  const narrowest = direction === "up" ? Math.min : Math.max;
  return rules.selectPolicy === "Min" ? narrowest(...limits) : widest(...limits);
}

/** The history after the size was changed. */
export function scaled(history: History, before: number, after: number, now: number): History {
  const kept = (entries: readonly Entry[]): Entry[] => entries.filter(({ atMs }) => atMs > now - MAX_WINDOW_MS);
  const change = { atMs: now, replicas: Math.abs(after - before) };
  return after > before
    ? { ...history, added: [...kept(history.added), change] }
    : { ...history, removed: [...kept(history.removed), change] };
}
