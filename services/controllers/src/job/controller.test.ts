import { JOBS, type Job, PODS, type Pod } from "@trireme/api";
import { expect, it } from "vitest";
import { FakeCluster } from "../fake-api.ts";
import { createJobController } from "./controller.ts";

const KEY = "default/work";
const LABELS = { "batch.kubernetes.io/controller-uid": "job" };

function world(spec: Partial<Job["spec"]>) {
  const cluster = new FakeCluster();
  const controller = createJobController(cluster.context, cluster.informer<Job>("jobs"));
  cluster.put(JOBS, {
    metadata: { name: "work", namespace: "default", uid: "job" },
    spec: {
      selector: { matchLabels: LABELS },
      template: { metadata: { labels: LABELS }, spec: { restartPolicy: "Never", containers: [{ name: "c" }] } },
      ...spec,
    },
  } as Job);
  cluster.deliver();
  const pods = (): Pod[] => cluster.list("pods") as Pod[];
  const finish = (pod: Pod): void => void cluster.put(PODS, { ...pod, status: { phase: "Succeeded" } } as Pod);
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 4; round++) {
      await controller.reconcile(KEY);
      cluster.deliver();
    }
  };
  return { cluster, controller, pods, finish, settle, job: () => cluster.list("jobs")[0] as Job | undefined };
}

it("creates each pod once, however far its caches lag, and says when it is done", async () => {
  const { cluster, controller, pods, finish, settle, job } = world({ parallelism: 2, completions: 3 });
  await controller.reconcile(KEY);
  await controller.reconcile(KEY);
  expect(pods()).toHaveLength(2);
  await settle();
  expect(job()!.status).toMatchObject({ active: 2 });
  for (let round = 0; round < 2; round++) {
    pods().forEach(finish);
    cluster.deliver();
    await settle();
  }
  expect(pods()).toHaveLength(3);
  expect(job()!.status).toMatchObject({ succeeded: 3, conditions: [{}, { type: "Complete", status: "True" }] });
  expect(cluster.told.filter((line) => line === "Job work: Completed: Job completed")).toHaveLength(1);
});

it("tells the pods of an Indexed Job their index", async () => {
  const { pods, settle } = world({ parallelism: 2, completions: 2, completionMode: "Indexed" });
  await settle();
  const [first, second] = pods();
  expect(first!.metadata.name).toMatch(/^work-0-.{5}$/);
  expect(second!.spec).toMatchObject({
    hostname: "work-1",
    containers: [{ env: [{ name: "JOB_COMPLETION_INDEX", value: "1" }] }],
  });
});

it("removes itself after its time to live", async () => {
  const { cluster, pods, finish, settle, job } = world({ completions: 1, ttlSecondsAfterFinished: 0 });
  await settle();
  pods().forEach(finish);
  cluster.deliver();
  await settle();
  expect(job()).toBeUndefined();
});
