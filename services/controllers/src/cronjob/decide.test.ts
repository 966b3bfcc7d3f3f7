import { type CronJob, type CronJobSpec, type CronJobStatus, type Job, formatTime } from "@trireme/api";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideCronJob, withStarted } from "./decide.ts";

const CREATED = "2026-11-22T10:00:10Z";
const at = (text: string): number => Date.parse(`2026-11-22T${text}Z`);

function cronJob(spec: Partial<CronJobSpec> = {}, status?: CronJobStatus): CronJob {
  return {
    metadata: { name: "tick", namespace: "ns", uid: "cron", creationTimestamp: CREATED },
    spec: {
      schedule: "* * * * *",
      jobTemplate: { spec: { template: { spec: { containers: [{ name: "c" }] } } } },
      ...spec,
    },
    ...(status === undefined ? {} : { status }),
  };
}

function job(name: string, end?: "Complete" | "Failed", time = "2026-11-22T10:01:30Z"): Job {
  const conditions = end === undefined ? [] : [{ type: end, status: "True", lastTransitionTime: time }];
  return {
    metadata: { name, namespace: "ns", uid: `uid-${name}` },
    spec: { template: { spec: { containers: [] } } },
    status: { startTime: time, conditions, ...(end === "Complete" ? { completionTime: time } : {}) },
  };
}

const ref = (name: string) => ({ name, uid: `uid-${name}` });
const reasons = (tellings: readonly { reason: string }[]): string[] => tellings.map(({ reason }) => reason);

describe("a CronJob", () => {
  it("waits for its next start", () => {
    const decision = decideCronJob({ cronJob: cronJob(), jobs: [] }, at("10:00:50"));
    expect(decision).toMatchObject({ start: undefined, tellings: [], status: {} });
    // A tenth of a second later, for clocks that are a little slow.
    expect(decision.requeueAfterMs).toBe(10_100);
  });

  it("makes a Job named after the minute, and tells it the time in its zone", () => {
    const labels = { app: "tick" };
    const template = { metadata: { labels, annotations: { a: "b" } }, spec: cronJob().spec.jobTemplate.spec };
    const spec = { timeZone: "Europe/Vienna", jobTemplate: template };
    const { start, requeueAfterMs } = decideCronJob({ cronJob: cronJob(spec), jobs: [] }, at("10:01:00"));
    expect(start).toMatchObject({
      scheduled: at("10:01:00"),
      job: {
        metadata: {
          name: `tick-${at("10:01:00") / 60_000}`,
          namespace: "ns",
          labels,
          annotations: { a: "b", "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-11-22T11:01:00+01:00" },
        },
        spec: template.spec,
      },
    });
    expect(requeueAfterMs).toBe(60_100);
    expect(withStarted({}, job("tick-1"), at("10:01:00"))).toEqual({
      active: [{ apiVersion: "batch/v1", kind: "Job", namespace: "ns", ...ref("tick-1") }],
      lastScheduleTime: "2026-11-22T10:01:00Z",
    });
  });

  it("leaves out all missed starts but the last, and tells of more than a hundred", () => {
    const few = decideCronJob({ cronJob: cronJob(), jobs: [] }, at("11:40:30"));
    expect([few.start?.scheduled, reasons(few.tellings)]).toEqual([at("11:40:00"), []]);
    const many = decideCronJob({ cronJob: cronJob(), jobs: [] }, at("11:41:30"));
    expect([many.start?.scheduled, reasons(many.tellings)]).toEqual([at("11:41:00"), ["TooManyMissedTimes"]]);
    const within = decideCronJob({ cronJob: cronJob({ startingDeadlineSeconds: 200 }), jobs: [] }, at("11:41:30"));
    expect([within.start?.scheduled, reasons(within.tellings)]).toEqual([at("11:41:00"), []]);
  });

  it("starts nothing later than its deadline", () => {
    const spec = { startingDeadlineSeconds: 20 };
    const decision = decideCronJob({ cronJob: cronJob(spec), jobs: [] }, at("10:01:30"));
    expect(decision.start).toBeUndefined();
    expect(decision.tellings).toEqual([
      {
        type: "Warning",
        reason: "MissSchedule",
        message: "Missed scheduled time to start a job: Sun, 22 Nov 2026 10:01:00 +0000",
      },
    ]);
    expect(decision.requeueAfterMs).toBe(30_100);
    expect(decideCronJob({ cronJob: cronJob(spec), jobs: [] }, at("10:01:20")).start).toBeDefined();
  });

  it("starts nothing while it is suspended, deleted or can not be understood", () => {
    const now = at("10:05:00");
    const deleted = cronJob();
    deleted.metadata.deletionTimestamp = CREATED;
    for (const one of [cronJob({ suspend: true }), deleted]) {
      expect(decideCronJob({ cronJob: one, jobs: [] }, now)).toMatchObject({
        start: undefined,
        tellings: [],
        requeueAfterMs: undefined,
      });
    }
    const said = (spec: Partial<CronJobSpec>): string[] =>
      decideCronJob({ cronJob: cronJob(spec), jobs: [] }, now).tellings.map(
        ({ reason, message }) => `${reason}: ${message}`,
      );
    expect(said({ schedule: "soon" })).toEqual([
      'UnparseableSchedule: unparseable schedule: "soon" : expected exactly 5 fields, found 1: [soon]',
    ]);
    expect(said({ timeZone: "Mars" })).toEqual(['UnknownTimeZone: invalid timeZone: "Mars": unknown time zone Mars']);
    expect(said({ schedule: "0 0 31 2 *" })).toEqual([
      "InvalidSchedule: invalid schedule schedule: 0 0 31 2 * : time difference between two schedules is less than 1 second",
    ]);
  });

  it("heeds its concurrency policy", () => {
    const status = { active: [ref("tick-1")], lastScheduleTime: "2026-11-22T10:01:00Z" };
    const look = (concurrencyPolicy: string) =>
      decideCronJob({ cronJob: cronJob({ concurrencyPolicy }, status), jobs: [job("tick-1")] }, at("10:02:00"));
    expect(look("Allow")).toMatchObject({ start: {}, replaced: [], status });
    const forbidden = look("Forbid");
    expect([forbidden.start, reasons(forbidden.tellings)]).toEqual([undefined, ["JobAlreadyActive"]]);
    const replacing = look("Replace");
    expect(replacing.replaced.map(({ metadata }) => metadata.name)).toEqual(["tick-1"]);
    expect(replacing).toMatchObject({ start: {}, status: { lastScheduleTime: status.lastScheduleTime } });
    expect(replacing.status.active).toBeUndefined();
  });

  it("starts one Job a minute, however often it is to", () => {
    const name = `tick-${Math.floor(at("10:00:20") / 60_000)}`;
    const status = { active: [ref(name)], lastScheduleTime: "2026-11-22T10:00:15Z" };
    const spec = { schedule: "@every 5s" };
    const decision = decideCronJob({ cronJob: cronJob(spec, status), jobs: [job(name)] }, at("10:00:20"));
    expect([decision.start, decision.requeueAfterMs]).toEqual([undefined, 5100]);
  });

  it("notices what became of its Jobs", () => {
    const status = { active: [ref("done"), ref("runs"), ref("gone")], lastScheduleTime: "2026-11-22T10:02:00Z" };
    const jobs = [job("done", "Complete"), job("runs"), job("manual")];
    const decision = decideCronJob({ cronJob: cronJob({}, status), jobs }, at("10:02:10"));
    expect(decision.tellings.map(({ message }) => message)).toEqual([
      "Saw completed job: done, condition: Complete",
      "Saw a job that the controller did not create or forgot: manual",
      "Active job went missing: gone",
    ]);
    expect(decision.status).toEqual({
      active: [ref("runs")],
      lastScheduleTime: status.lastScheduleTime,
      lastSuccessfulTime: "2026-11-22T10:01:30Z",
    });
  });

  it("keeps the newest of its finished Jobs", () => {
    const jobs = [
      job("b", "Complete", "2026-11-22T10:02:00Z"),
      job("a", "Complete", "2026-11-22T10:01:00Z"),
      job("c", "Complete", "2026-11-22T10:02:00Z"),
      job("f", "Failed"),
      job("runs"),
    ];
    const spec = { successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 0, suspend: true };
    const { outdated } = decideCronJob({ cronJob: cronJob(spec), jobs }, at("10:02:10"));
    expect(outdated.map(({ metadata }) => metadata.name)).toEqual(["a", "b", "f"]);
  });
});

/*
 * Goal: over any time, however seldom and late we look, no start is made twice or early, and with Forbid no two Jobs run
 * side by side (safety); who looks when told to makes every start (liveness). Method: a run is drawn by fast-check:
 * pauses between looks, and how long Jobs take; each look's outcome is applied to the world.
 */
describe("over time", () => {
  interface World {
    cron: CronJob;
    jobs: Job[];
    readonly started: number[];
  }

  /** One look: Jobs that have run for long enough end before it, and what it decides is done. */
  function look(world: World, now: number, runMs: number): number | undefined {
    world.jobs = world.jobs.map((one) => {
      const { startTime } = one.status!;
      if (hasEnded(one) || Date.parse(startTime!) + runMs > now) return one;
      return { ...one, status: { ...job("", "Complete").status, startTime: startTime! } };
    });
    const decision = decideCronJob({ cronJob: world.cron, jobs: world.jobs }, now);
    const gone = new Set([...decision.replaced, ...decision.outdated].map(({ metadata }) => metadata.name));
    world.jobs = world.jobs.filter(({ metadata }) => !gone.has(metadata.name));
    let { status } = decision;
    if (decision.start !== undefined) {
      const { scheduled, job: made } = decision.start;
      world.started.push(scheduled);
      const created = { ...job(made.metadata.name), status: { startTime: formatTime(now) } };
      world.jobs.push(created);
      status = withStarted(status, created, scheduled);
    }
    world.cron = { ...world.cron, status };
    return decision.requeueAfterMs;
  }

  const hasEnded = (one: Job): boolean => (one.status?.conditions ?? []).length > 0;
  const policies = fc.constantFrom("Allow", "Forbid", "Replace");

  it("never starts twice, early, or side by side when that is forbidden", () => {
    fc.assert(
      fc.property(
        policies,
        fc.constantFrom("* * * * *", "*/3 * * * *", "2-8,40 10 * * *", "@every 90s"),
        fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 40, size: "max" }),
        fc.integer({ min: 1, max: 600 }),
        (concurrencyPolicy, schedule, pauses, seconds) => {
          const world: World = { cron: cronJob({ concurrencyPolicy, schedule }), jobs: [], started: [] };
          let now = Date.parse(CREATED);
          for (const pause of pauses) {
            now += pause * 1000;
            look(world, now, seconds * 1000);
            expect(world.started.at(-1) ?? -Infinity).toBeLessThanOrEqual(now);
            const running = world.jobs.filter((one) => !hasEnded(one)).length;
            if (concurrencyPolicy !== "Allow") expect(running).toBeLessThanOrEqual(1);
            expect(world.cron.status?.active?.length ?? 0).toBe(running);
          }
          expect(world.started.toSorted((a, b) => a - b)).toEqual(world.started);
          expect(new Set(world.started).size).toBe(world.started.length);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("makes every start when it looks as it is told to", () => {
    const cases: readonly [string, (minute: number) => boolean][] = [
      ["* * * * *", () => true],
      ["*/3 * * * *", (minute) => minute % 3 === 0],
      ["2-8,40 10,11 * * *", (minute) => minute === 40 || (minute >= 2 && minute <= 8)],
    ];
    fc.assert(
      fc.property(fc.constantFrom(...cases), fc.integer({ min: 0, max: 40 }), ([schedule, isStart], lateMs) => {
        const world: World = { cron: cronJob({ schedule }), jobs: [], started: [] };
        const end = at("12:00:00");
        for (let now = at("10:00:10"); now < end;) now += look(world, now, 0)! + lateMs;
        const minutes = Array.from({ length: 119 }, (_, index) => at("10:01:00") + index * 60_000);
        expect(world.started).toEqual(minutes.filter((minute) => isStart((minute / 60_000) % 60)));
      }),
      { numRuns: 20 },
    );
  });
});
