import type { PodDisruptionBudget } from "../kinds.ts";
import { AGE, NAME, count, printer, text } from "./column.ts";

const amount = (value: number | string | undefined): string => (value === undefined ? "N/A" : String(value));

/** Prints PodDisruptionBudgets. */
export const podDisruptionBudgetPrinter = printer<PodDisruptionBudget>([
  NAME,
  text("Min Available", "Pods that must stay healthy.", ({ spec }: PodDisruptionBudget) => amount(spec.minAvailable)),
  text("Max Unavailable", "Pods that may be missing.", ({ spec }: PodDisruptionBudget) => amount(spec.maxUnavailable)),
  count("Allowed Disruptions", "Pods that may be evicted now.", ({ status }: PodDisruptionBudget) => {
    return status?.disruptionsAllowed ?? 0;
  }),
  AGE,
]);
