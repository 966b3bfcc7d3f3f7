import type { Taint, Toleration } from "@trireme/api";

/** Whether one toleration covers one taint (`Exists` without key covers every taint; no effect means every effect). */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== "" && toleration.effect !== taint.effect) return false;
  if (toleration.key !== undefined && toleration.key !== "" && toleration.key !== taint.key) return false;
  if (toleration.operator === "Exists") return true;
  const hasKey = toleration.key !== undefined && toleration.key !== "";
  return hasKey && (toleration.value ?? "") === (taint.value ?? "");
}

/** The first taint of these effects that no toleration covers. */
export function untoleratedTaint(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  effects: readonly string[],
): Taint | undefined {
  return (taints ?? []).find(
    (taint) => effects.includes(taint.effect) && !(tolerations ?? []).some((one) => tolerates(one, taint)),
  );
}
