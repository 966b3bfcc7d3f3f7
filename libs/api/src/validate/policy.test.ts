import { describe, expect, it } from "vitest";
import {
  PODDISRUPTIONBUDGETS,
  type PodDisruptionBudget,
  type PodDisruptionBudgetSpec,
  tableFor,
  validateCreate,
} from "../index.ts";

const budget = (spec: PodDisruptionBudgetSpec): PodDisruptionBudget => ({
  metadata: { name: "web", namespace: "default" },
  spec: { selector: { matchLabels: { app: "web" } }, ...spec },
});
const problems = (spec: PodDisruptionBudgetSpec): string[] =>
  validateCreate(PODDISRUPTIONBUDGETS, budget(spec)).map(({ field, message }) => `${field}: ${message}`);

describe("a PodDisruptionBudget", () => {
  it("says how many stay, or how many may be missing", () => {
    expect([...problems({ minAvailable: 1 }), ...problems({ maxUnavailable: "25%" })]).toEqual([]);
    expect(problems({ minAvailable: 1, maxUnavailable: 1 })).toEqual([
      expect.stringMatching(/^spec: Invalid value: .*: minAvailable and maxUnavailable cannot be both set$/),
    ]);
    expect(problems({ minAvailable: -1 })).toEqual([
      "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0",
    ]);
    expect([...problems({ minAvailable: "half" }), ...problems({ maxUnavailable: "101%" })]).toEqual([
      `spec.minAvailable: Invalid value: "half": a valid percent string must be a numeric string followed by an ending '%'`,
      'spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
    ]);
    expect(problems({ unhealthyPodEvictionPolicy: "Never" })).toEqual([
      'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "IfHealthyBudget", "AlwaysAllow"',
    ]);
  });

  it("is printed as kubectl prints it", () => {
    const now = Date.parse("2026-11-22T10:00:30Z");
    const created = { ...budget({ minAvailable: "50%" }), status: { disruptionsAllowed: 2 } };
    const table = tableFor(PODDISRUPTIONBUDGETS, [created as PodDisruptionBudget], { now });
    expect(table.columnDefinitions.map(({ name }) => name)).toEqual([
      "Name",
      "Min Available",
      "Max Unavailable",
      "Allowed Disruptions",
      "Age",
    ]);
    expect(table.rows[0]!.cells).toEqual(["web", "50%", "N/A", 2, "<unknown>"]);
  });
});
