import type { Job, JobSpec, JobStatus, Pod } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { INDEX_KEY, decideJob } from "./decide.ts";
import { formatIndexes, parseIndexes } from "./indexes.ts";

const NOW = Date.parse("2026-11-22T10:00:00Z");
const LABELS = { "batch.kubernetes.io/controller-uid": "job-1" };

function job(spec: Partial<JobSpec> = {}, status: JobStatus = {}): Job {
  return {
    metadata: { name: "work", namespace: "default", uid: "job-1" },
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 2,
      selector: { matchLabels: LABELS },
      template: { metadata: { labels: LABELS }, spec: { restartPolicy: "Never", containers: [{ name: "c" }] } },
      ...spec,
    },
    status,
  };
}

interface Shape {
  ago?: number;
  deleting?: boolean;
  index?: number;
  restarts?: number;
}

function pod(name: string, phase: string, { ago = 0, deleting = false, index, restarts = 0 }: Shape = {}): Pod {
  const finishedAt = new Date(NOW - ago * 1000).toISOString();
  const state =
    phase === "Succeeded" || phase === "Failed" ? { state: { terminated: { exitCode: 0, finishedAt } } } : {};
  return {
    metadata: {
      name,
      namespace: "default",
      uid: `uid-${name}`,
      labels: LABELS,
      ...(index === undefined ? {} : { annotations: { [INDEX_KEY]: String(index) } }),
      ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name: "work", uid: "job-1", controller: true }],
      ...(deleting ? { deletionTimestamp: "2026-11-22T10:00:00Z" } : {}),
    },
    spec: { containers: [] },
    status: {
      phase,
      containerStatuses: [{ name: "c", ready: false, restartCount: restarts, image: "", imageID: "", ...state }],
    },
  };
}

const decide = (of: Job, pods: Pod[] = [], now = NOW) => decideJob({ job: of, pods, isLost: () => false }, now);
const created = (of: Job, pods: Pod[] = []): number =>
  decide(of, pods)
    .actions.map((action) => (action.type === "create" ? action.indexes.length : 0))
    .reduce((a, b) => a + b, 0);
const words = ({ status }: { status: JobStatus }): string[] =>
  (status.conditions ?? []).map((one) => `${one.type}=${one.status} ${one.reason}`);

describe("a Job", () => {
  it("runs as many pods as parallelism allows and completions still need", () => {
    expect(created(job())).toBe(1);
    expect(created(job({ parallelism: 3, completions: 5 }))).toBe(3);
    const two = [pod("a", "Succeeded"), pod("b", "Succeeded")];
    expect(created(job({ parallelism: 3, completions: 4 }), [...two, pod("c", "Running")])).toBe(1);
    expect(created(job({ parallelism: 0 }))).toBe(0);
  });

  it("deletes what runs beyond a lowered parallelism", () => {
    const { actions } = decide(job({ parallelism: 1, completions: 5 }), [pod("a", "Running"), pod("b", "Pending")]);
    expect(actions).toMatchObject([{ type: "delete", pod: { metadata: { name: "b" } } }]);
  });

  it("is complete when enough pods succeeded, once", () => {
    const done = decide(job(), [pod("a", "Succeeded")]);
    expect(words(done)).toEqual(["SuccessCriteriaMet=True CompletionsReached", "Complete=True CompletionsReached"]);
    expect(done.status).toMatchObject({ succeeded: 1, completionTime: "2026-11-22T10:00:00Z" });
    expect(done.actions).toEqual([]);
    expect(decide({ ...job(), status: done.status }, [pod("a", "Succeeded")], NOW + 1e6).status).toEqual(done.status);
  });

  it("without completions is a work queue: one success ends it when the others have ended", () => {
    const { completions: _, ...spec } = job({ parallelism: 2 }).spec;
    const queue = { ...job(), spec };
    expect(created(queue)).toBe(2);
    expect(decide(queue, [pod("a", "Succeeded"), pod("b", "Running")]).actions).toEqual([]);
    expect(words(decide(queue, [pod("a", "Succeeded"), pod("b", "Failed")]))).toContain(
      "Complete=True CompletionsReached",
    );
  });

  it("waits longer after each failure, and gives up beyond the backoff limit", () => {
    expect(decide(job(), [pod("a", "Failed", { ago: 4 })])).toMatchObject({ actions: [], requeueAfterMs: 6_000 });
    expect(created(job(), [pod("a", "Failed", { ago: 11 })])).toBe(1);
    const two = [pod("a", "Failed", { ago: 40 }), pod("b", "Failed", { ago: 5 })];
    expect(decide(job(), two)).toMatchObject({ actions: [], requeueAfterMs: 15_000 });
    const failed = decide(job(), [...two, pod("c", "Failed")]);
    expect(words(failed)).toEqual(["FailureTarget=True BackoffLimitExceeded", "Failed=True BackoffLimitExceeded"]);
    expect(failed.status.failed).toBe(3);
  });

  it("counts restarts in place against the backoff limit", () => {
    const template = { spec: { restartPolicy: "OnFailure", containers: [{ name: "c" }] } };
    expect(words(decide(job({ template }), [pod("a", "Running", { restarts: 1 })]))).toEqual([]);
    const failing = decide(job({ template }), [pod("a", "Running", { restarts: 2 })]);
    expect(words(failing)).toEqual(["FailureTarget=True BackoffLimitExceeded"]);
    expect(failing.actions).toMatchObject([{ type: "delete" }]);
    const going = [pod("a", "Running", { restarts: 2, deleting: true })];
    const status = failing.status;
    expect(words(decide({ ...job({ template }), status }, going))).toHaveLength(1);
    expect(words(decide({ ...job({ template }), status }, []))).toContain("Failed=True BackoffLimitExceeded");
  });

  it("ends at its deadline, and looks again when that comes", () => {
    const status = { startTime: "2026-11-22T09:59:50Z" };
    expect(decide(job({ activeDeadlineSeconds: 15 }, status), [pod("a", "Running")]).requeueAfterMs).toBe(5_000);
    const late = decide(job({ activeDeadlineSeconds: 10 }, status), [pod("a", "Running")]);
    expect(words(late)).toEqual(["FailureTarget=True DeadlineExceeded"]);
  });

  it("stops its pods while suspended and starts anew afterwards", () => {
    const paused = decide(job({ suspend: true }, { startTime: "2026-11-22T09:00:00Z" }), [pod("a", "Running")]);
    expect(paused.actions).toMatchObject([{ type: "delete" }]);
    expect(words(paused)).toEqual(["Suspended=True JobSuspended"]);
    expect(paused.status.startTime).toBeUndefined();
    const resumed = decide({ ...job(), status: paused.status });
    expect(words(resumed)).toEqual(["Suspended=False JobResumed"]);
    expect(resumed.status.startTime).toBe("2026-11-22T10:00:00Z");
  });

  it("goes after its time to live", () => {
    const { status } = decide(job(), [pod("a", "Succeeded")]);
    const finished = job({ ttlSecondsAfterFinished: 30 }, status);
    expect(decide(finished, [], NOW + 10_000)).toMatchObject({ actions: [], requeueAfterMs: 20_000 });
    expect(decide(finished, [], NOW + 30_000).actions).toEqual([{ type: "expire" }]);
  });

  it("never forgets what was counted, though pods are gone", () => {
    const { status } = decide(job({ completions: 3 }), [pod("a", "Succeeded"), pod("b", "Failed")]);
    expect(decide(job({ completions: 3 }, status)).status).toMatchObject({ succeeded: 1, failed: 1 });
  });

  it("that is indexed creates each index that has neither succeeded nor is running", () => {
    const spec: Partial<JobSpec> = { completionMode: "Indexed", completions: 5, parallelism: 3 };
    const pods = [
      pod("a", "Succeeded", { index: 0 }),
      pod("b", "Running", { index: 2 }),
      pod("c", "Failed", { index: 1, ago: 60 }),
    ];
    const { actions, status } = decide(job(spec), pods);
    expect(actions).toEqual([{ type: "create", indexes: [1, 3] }]);
    expect(status).toMatchObject({ completedIndexes: "0", succeeded: 1 });
    expect(decide(job(spec, { completedIndexes: "0-4" })).status.succeeded).toBe(5);
  });

  it("leaves a Job that another controller manages alone", () => {
    expect(decide(job({ managedBy: "example.com/queue" }))).toEqual({ actions: [], status: {} });
  });
});

it("indexes are written short and read back", () => {
  expect(formatIndexes(new Set([7, 1, 2, 3, 5, 6]))).toBe("1-3,5-7");
  expect(formatIndexes(new Set([4, 5]))).toBe("4,5");
  expect([...parseIndexes("1-3,5,x")]).toEqual([1, 2, 3, 5]);
});
