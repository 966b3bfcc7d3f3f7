import { describe, expect, it } from "vitest";
import { JOBS, type Job, type JobSpec, applyDefaults, tableFor, validateCreate, validateUpdate } from "../index.ts";

const LABELS = { uid: "1" };
function job(spec: Partial<JobSpec> = {}, restartPolicy = "Never"): Job {
  return applyDefaults(JOBS, {
    metadata: { name: "work", namespace: "default" },
    spec: {
      selector: { matchLabels: LABELS },
      template: { metadata: { labels: LABELS }, spec: { restartPolicy, containers: [{ name: "c", image: "i" }] } },
      ...spec,
    },
  });
}
const problems = (of: Job): string[] => validateCreate(JOBS, of).map(({ field, message }) => `${field}: ${message}`);

describe("a Job", () => {
  it("is one pod unless it says otherwise", () => {
    expect(job()).toMatchObject({
      metadata: { labels: LABELS },
      spec: { parallelism: 1, completions: 1, backoffLimit: 6, completionMode: "NonIndexed", suspend: false },
    });
    expect(job({ parallelism: 3 }).spec.completions).toBeUndefined();
    expect(problems(job())).toEqual([]);
  });

  it("does not restart its pods for ever", () => {
    expect(problems(job({}, "Always"))).toEqual([
      'spec.template.spec.restartPolicy: Unsupported value: "Always": supported values: "OnFailure", "Never"',
    ]);
  });

  it("says what it does not do yet", () => {
    expect(problems(job({ maxFailedIndexes: 1 }))).toEqual([
      "spec.maxFailedIndexes: Forbidden: is not supported by this cluster yet",
    ]);
    expect(problems(job({ completionMode: "Indexed", parallelism: 2 }))).toEqual([
      "spec.completions: Required value: when completion mode is Indexed",
    ]);
  });

  it("keeps its template", () => {
    const fields = validateUpdate(JOBS, job({ completions: 2, parallelism: 5 }), job()).map(({ field }) => field);
    expect(fields).toEqual(["spec.completions"]);
  });

  it("is printed as kubectl prints it", () => {
    const status = { succeeded: 1, startTime: "2026-11-22T10:00:00Z" };
    const printed = tableFor(JOBS, [{ ...job({ completions: 4 }), status }], {
      now: Date.parse("2026-11-22T10:00:09Z"),
    });
    expect(printed.rows[0]!.cells.slice(0, 4)).toEqual(["work", "Running", "1/4", "9s"]);
  });
});
