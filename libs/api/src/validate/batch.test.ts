import { describe, expect, it } from "vitest";
import {
  CRONJOBS,
  type CronJob,
  type CronJobSpec,
  JOBS,
  type Job,
  type JobSpec,
  applyDefaults,
  tableFor,
  validateCreate,
  validateUpdate,
} from "../index.ts";

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

function cronJob(spec: Partial<CronJobSpec> = {}, name = "nightly"): CronJob {
  const pods = { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i" }] } };
  return applyDefaults(CRONJOBS, {
    metadata: { name, namespace: "default" },
    spec: { schedule: "30 2 * * *", jobTemplate: { spec: { template: pods } }, ...spec },
  });
}
const cronProblems = (of: CronJob): string[] =>
  validateCreate(CRONJOBS, of).map(({ field, message }) => `${field}: ${message}`);

describe("a CronJob", () => {
  it("allows Jobs side by side and keeps few", () => {
    const { spec } = cronJob();
    expect(spec).toMatchObject({
      concurrencyPolicy: "Allow",
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
      jobTemplate: { spec: { template: { spec: { dnsPolicy: "ClusterFirst" } } } },
    });
    // Its Jobs get their defaults when they are made.
    expect(spec.jobTemplate.spec).not.toHaveProperty("backoffLimit");
    expect(cronProblems(cronJob({ timeZone: "Europe/Vienna", schedule: "@hourly" }))).toEqual([]);
  });

  it("says what is wrong with its schedule and zone", () => {
    expect(cronProblems(cronJob({ schedule: "61 * * * *", timeZone: "Mars/Olympus" }))).toEqual([
      'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61',
      'spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus',
    ]);
    expect(cronProblems(cronJob({ schedule: "TZ=UTC 0 0 * * *", timeZone: "Local" }))).toEqual([
      'spec.schedule: Invalid value: "TZ=UTC 0 0 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
      'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
    ]);
    expect(cronProblems(cronJob({ schedule: "", concurrencyPolicy: "Queue" }))).toEqual([
      "spec.schedule: Required value",
      'spec.concurrencyPolicy: Unsupported value: "Queue": supported values: "Allow", "Forbid", "Replace"',
    ]);
  });

  it("leaves room in its name for that of a Job", () => {
    expect(cronProblems(cronJob({}, "n".repeat(53)))).toEqual([
      `metadata.name: Invalid value: "${"n".repeat(53)}": must be no more than 52 characters`,
    ]);
  });

  it("checks the Job that it would make", () => {
    const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i" }] } };
    expect(cronProblems(cronJob({ jobTemplate: { spec: { template, backoffLimit: -1 } } }))).toEqual([
      'spec.jobTemplate.spec.template.spec.restartPolicy: Unsupported value: "Always": supported values: "OnFailure", "Never"',
      "spec.jobTemplate.spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0",
    ]);
  });

  it("is printed as kubectl prints it", () => {
    const now = Date.parse("2026-11-22T10:00:30Z");
    const status = { lastScheduleTime: "2026-11-22T10:00:00Z", active: [{ name: "nightly-1" }] };
    const table = tableFor(CRONJOBS, [{ ...cronJob(), status }, cronJob({ suspend: true, timeZone: "UTC" })], { now });
    expect(table.columnDefinitions.map(({ name }) => name)).toEqual([
      "Name",
      "Schedule",
      "Timezone",
      "Suspend",
      "Active",
      "Last Schedule",
      "Age",
      "Containers",
      "Images",
      "Selector",
    ]);
    expect(table.rows.map(({ cells }) => cells)).toEqual([
      ["nightly", "30 2 * * *", "<none>", "False", 1, "30s", "<unknown>", "c", "i", "<none>"],
      ["nightly", "30 2 * * *", "UTC", "True", 0, "<none>", "<unknown>", "c", "i", "<none>"],
    ]);
  });
});
