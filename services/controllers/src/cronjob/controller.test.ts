import { CRONJOBS, type CronJob, type CronJobSpec, JOBS, type Job } from "@trireme/api";
import { TriremeError } from "@trireme/base";
import { expect, it } from "vitest";
import { FakeCluster } from "../fake-api.ts";
import { createCronJobController } from "./controller.ts";

const KEY = "default/tick";

function world(spec: Partial<CronJobSpec> = {}) {
  const cluster = new FakeCluster();
  const controller = createCronJobController(cluster.context, {
    cronJobs: cluster.informer<CronJob>("cronjobs"),
    jobs: cluster.informer<Job>("jobs"),
  });
  cluster.put(CRONJOBS, {
    metadata: { name: "tick", namespace: "default", uid: "cron", creationTimestamp: "2026-11-22T10:00:00Z" },
    spec: {
      schedule: "* * * * *",
      successfulJobsHistoryLimit: 1,
      jobTemplate: { spec: { template: { spec: { containers: [{ name: "c" }] } } } },
      ...spec,
    },
  } as CronJob);
  cluster.deliver();
  const jobs = (): Job[] => cluster.list("jobs") as Job[];
  const finish = (job: Job): void => {
    const conditions = [{ type: "Complete", status: "True" }];
    const completionTime = new Date(cluster.clock.now()).toISOString();
    cluster.put(JOBS, { ...job, status: { startTime: completionTime, completionTime, conditions } } as Job);
  };
  const minute = (): void => cluster.clock.advance(60_000);
  return { cluster, controller, jobs, finish, minute, cronJob: () => cluster.list("cronjobs")[0] as CronJob };
}

it("makes each Job once, however far its caches lag", async () => {
  const { cluster, controller, jobs, minute, cronJob } = world();
  expect(await controller.reconcile(KEY)).toEqual({ requeueAfterMs: 60_100 });
  minute();
  await controller.reconcile(KEY);
  // Nothing is shown yet, so nothing is decided.
  await controller.reconcile(KEY);
  expect(jobs().map(({ metadata }) => metadata.name)).toEqual([`tick-${cluster.clock.now() / 60_000}`]);
  expect(jobs()[0]!.metadata.ownerReferences).toMatchObject([{ kind: "CronJob", uid: "cron", controller: true }]);
  cluster.deliver();
  await controller.reconcile(KEY);
  expect(cronJob().status).toMatchObject({ active: [{ kind: "Job" }], lastScheduleTime: "2026-11-22T10:01:00Z" });
  expect(cluster.told).toEqual([`CronJob tick: SuccessfulCreate: Created job ${jobs()[0]!.metadata.name}`]);
});

it("finds the Job that it made when the answer, or the word about it, was lost", async () => {
  for (const lost of ["create jobs", "status cronjobs"]) {
    const { cluster, controller, jobs, minute, cronJob } = world();
    minute();
    cluster.fate = (request) =>
      request !== lost
        ? "ok"
        : lost === "create jobs"
          ? "lost answer"
          : new TriremeError("ServiceUnavailable", "no leader");
    await controller.reconcile(KEY).catch(() => {});
    cluster.fate = () => "ok";
    cluster.deliver();
    await controller.reconcile(KEY);
    cluster.deliver();
    expect(jobs()).toHaveLength(1);
    expect(cronJob().status).toMatchObject({ active: [{ uid: jobs()[0]!.metadata.uid }] });
  }
});

it("lets a Job of somebody else's be", async () => {
  const { cluster, controller, minute, cronJob } = world();
  minute();
  const name = `tick-${cluster.clock.now() / 60_000}`;
  cluster.put(JOBS, { metadata: { name, namespace: "default" }, spec: {} } as Job);
  await controller.reconcile(KEY);
  expect(cronJob().status).toBeUndefined();
});

it("keeps as many finished Jobs as it should, and replaces those that run when told to", async () => {
  const { cluster, controller, jobs, finish, minute } = world({ concurrencyPolicy: "Replace" });
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 3; round++) {
      await controller.reconcile(KEY);
      cluster.deliver();
    }
  };
  for (let start = 0; start < 3; start++) {
    minute();
    await settle();
    jobs().forEach(finish);
    cluster.deliver();
    await settle();
  }
  expect(jobs()).toHaveLength(1);
  minute();
  await settle();
  const [, running] = jobs();
  minute();
  await settle();
  expect(jobs()).toHaveLength(2);
  expect(jobs().map(({ metadata }) => metadata.uid)).not.toContain(running!.metadata.uid);
  expect(cluster.told).toContain(`CronJob tick: SuccessfulDelete: Deleted job ${running!.metadata.name}`);
});
