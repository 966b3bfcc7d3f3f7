import type { Deployment, Pod, ReplicaSet } from "@trireme/api";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DeploymentDecision, decideDeployment } from "./decide.ts";
import { rollingLimits } from "./limits.ts";

const NOW = Date.parse("2026-11-22T10:00:00Z");

function deployment(spec: Partial<Deployment["spec"]> = {}, image = "web:1"): Deployment {
  return {
    metadata: {
      name: "web",
      namespace: "default",
      uid: "d-1",
      generation: 1,
      creationTimestamp: "2026-11-22T09:00:00Z",
    },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image }] } },
      progressDeadlineSeconds: 600,
      ...spec,
    },
  };
}

/** A ReplicaSet as the API would have stored the one that a decision creates. */
function stored(set: ReplicaSet, change: { replicas?: number; available?: number; at?: string } = {}): ReplicaSet {
  const replicas = change.replicas ?? set.spec.replicas ?? 0;
  return {
    ...set,
    metadata: {
      ...set.metadata,
      uid: `uid-${set.metadata.name}`,
      generation: 1,
      creationTimestamp: change.at ?? "2026-11-22T09:00:00Z",
    },
    spec: { ...set.spec, replicas },
    status: {
      replicas,
      readyReplicas: change.available ?? replicas,
      availableReplicas: change.available ?? replicas,
      observedGeneration: 1,
    },
  };
}

function decide(d: Deployment, sets: ReplicaSet[], pods: Pod[] = [], now = NOW): DeploymentDecision {
  return decideDeployment({ deployment: d, replicaSets: sets, podsOf: () => pods }, now);
}

function createdBy(decision: DeploymentDecision): ReplicaSet {
  const create = decision.actions.find((action) => action.type === "create");
  if (create?.type !== "create") throw new Error("nothing was created");
  return create.replicaSet;
}

function sizes(decision: DeploymentDecision): Record<string, number> {
  const out: Record<string, number> = {};
  for (const action of decision.actions) {
    if (action.type === "create" || action.type === "update") {
      out[action.replicaSet.metadata.name] = action.replicaSet.spec.replicas ?? -1;
    }
  }
  return out;
}

const first = (d: Deployment): ReplicaSet => createdBy(decide(d, []));

describe("a new Deployment", () => {
  const decision = decide(deployment(), []);
  const set = createdBy(decision);

  it("gets a ReplicaSet named by the template's hash, owned and annotated", () => {
    const hash = set.metadata.labels!["pod-template-hash"]!;
    expect(set.metadata.name).toBe(`web-${hash}`);
    expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{6,10}$/);
    expect(set.spec.selector.matchLabels).toEqual({ app: "web", "pod-template-hash": hash });
    expect(set.spec.template.metadata!.labels).toEqual({ app: "web", "pod-template-hash": hash });
    expect(set.metadata.annotations).toEqual({
      "deployment.kubernetes.io/revision": "1",
      "deployment.kubernetes.io/desired-replicas": "3",
      "deployment.kubernetes.io/max-replicas": "4",
    });
    expect(set.metadata.ownerReferences![0]).toMatchObject({
      kind: "Deployment",
      name: "web",
      uid: "d-1",
      controller: true,
    });
    expect(set.spec.replicas).toBe(3);
  });

  it("is annotated with its revision and says what it does", () => {
    expect(decision.actions).toContainEqual({
      type: "annotate",
      annotations: { "deployment.kubernetes.io/revision": "1" },
    });
    const words = decision.status.conditions!.map((one) => [one.type, one.status, one.reason, one.message]);
    expect(words).toEqual([
      ["Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."],
      ["Progressing", "True", "NewReplicaSetCreated", `Created new replica set "${set.metadata.name}"`],
    ]);
    expect(decision.requeueAfterMs).toBe(601_000);
  });

  it("takes another name after a collision", () => {
    const collided = { ...deployment(), status: { collisionCount: 1 } };
    expect(first(collided).metadata.name).not.toBe(set.metadata.name);
  });
});

describe("a complete Deployment", () => {
  const d = deployment();
  const set = stored(first(d), { available: 3 });
  const withRevision = { ...d, metadata: { ...d.metadata, annotations: { "deployment.kubernetes.io/revision": "1" } } };

  it("changes nothing and says so in the words that rollout status reads", () => {
    const { actions, status, requeueAfterMs } = decide(withRevision, [set]);
    expect(actions).toEqual([]);
    expect(requeueAfterMs).toBeUndefined();
    expect(status).toMatchObject({
      observedGeneration: 1,
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
    });
    expect(status.unavailableReplicas).toBeUndefined();
    expect(status.conditions!.map((one) => `${one.type}=${one.status} ${one.reason}`)).toEqual([
      "Available=True MinimumReplicasAvailable",
      "Progressing=True NewReplicaSetAvailable",
    ]);
    expect(status.conditions![1]!.message).toBe(`ReplicaSet "${set.metadata.name}" has successfully progressed.`);
    const again = decide({ ...withRevision, status }, [set], [], NOW + 60_000);
    expect(again.status).toEqual(status);
  });

  it("ignores the API's defaults and empty values in the template", () => {
    const same = deployment();
    same.spec.template.spec = { ...same.spec.template.spec, securityContext: {}, volumes: [] };
    expect(createdOrNone(decide(same, [set]))).toBeUndefined();
  });

  it("scales its set when spec.replicas changes", () => {
    const scaled = { ...withRevision, spec: { ...d.spec, replicas: 5 } };
    const decision = decide(scaled, [set]);
    expect(sizes(decision)).toEqual({ [set.metadata.name]: 5 });
    const [update] = decision.actions;
    if (update?.type !== "update") throw new Error("expected an update");
    expect(update.replicaSet.metadata.annotations!["deployment.kubernetes.io/desired-replicas"]).toBe("5");
  });
});

function createdOrNone(decision: DeploymentDecision): ReplicaSet | undefined {
  const create = decision.actions.find((action) => action.type === "create");
  return create?.type === "create" ? create.replicaSet : undefined;
}

describe("a rolling update", () => {
  const old = stored(first(deployment()), { available: 3 });
  const next = deployment({}, "web:2");

  it("adds the surge first, then takes an old pod for each new one that is available", () => {
    const step1 = decide(next, [old]);
    const created = createdBy(step1);
    expect(created.metadata.annotations!["deployment.kubernetes.io/revision"]).toBe("2");
    expect(sizes(step1)).toEqual({ [created.metadata.name]: 1 });
    const starting = stored(created, { available: 0, at: "2026-11-22T10:00:00Z" });
    expect(sizes(decide(next, [old, starting]))).toEqual({});
    const running = stored(created, { available: 1, at: "2026-11-22T10:00:00Z" });
    expect(sizes(decide(next, [old, running]))).toEqual({ [old.metadata.name]: 2 });
  });

  it("does not believe a status that is older than the spec", () => {
    const shrunk = { ...old, spec: { ...old.spec, replicas: 2 } };
    const created = createdBy(decide(next, [old]));
    const growing = stored(created, { replicas: 2, available: 1, at: "2026-11-22T10:00:00Z" });
    expect(sizes(decide(next, [shrunk, growing]))).toEqual({});
  });

  it("takes broken old pods at once", () => {
    const broken = stored(first(deployment({ replicas: 4 })), { replicas: 4, available: 2 });
    const d = deployment({ replicas: 4, strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 2 } } }, "web:2");
    const sizesNow = sizes(decide({ ...d, status: {} }, [broken]));
    expect(sizesNow[broken.metadata.name]).toBe(2);
  });

  it("goes back to the earlier set on a rollback, with a new revision and a history", () => {
    const created = createdBy(decide(next, [old]));
    const current = stored(created, { replicas: 3, at: "2026-11-22T10:00:00Z" });
    const empty = stored(old, { replicas: 0 });
    const decision = decide(deployment(), [empty, current]);
    const update = decision.actions.find((one) => one.type === "update" && one.before === empty);
    if (update?.type !== "update") throw new Error("expected an update");
    expect(update.replicaSet.spec.replicas).toBe(1);
    expect(update.replicaSet.metadata.annotations).toMatchObject({
      "deployment.kubernetes.io/revision": "3",
      "deployment.kubernetes.io/revision-history": "1",
    });
  });

  it("scales proportionally in the middle", () => {
    const d10 = deployment({ replicas: 10 });
    const v1 = stored(first(d10), { replicas: 8 });
    const to20 = deployment({ replicas: 20 }, "web:2");
    const v2 = stored(createdBy(decide(deployment({ replicas: 10 }, "web:2"), [v1])), {
      replicas: 5,
      at: "2026-11-22T10:00:00Z",
    });
    const result = sizes(decide(to20, [v1, v2]));
    expect(result).toEqual({ [v1.metadata.name]: 15, [v2.metadata.name]: 10 });
  });

  it("stops while paused, but still scales", () => {
    const paused = decide({ ...next, spec: { ...next.spec, paused: true } }, [old]);
    expect(paused.actions).toEqual([]);
    expect(paused.status.conditions).toContainEqual(
      expect.objectContaining({ type: "Progressing", status: "Unknown", reason: "DeploymentPaused" }),
    );
    const scaled = decide({ ...next, spec: { ...next.spec, paused: true, replicas: 4 } }, [old]);
    expect(sizes(scaled)).toEqual({ [old.metadata.name]: 4 });
  });

  it("reports the deadline and keeps reporting it", () => {
    const created = stored(createdBy(decide(next, [old])), { available: 0, at: "2026-11-22T10:00:00Z" });
    const started = decide(next, [old, created]).status;
    const late = decide({ ...next, status: started }, [old, created], [], NOW + 602_000);
    expect(late.status.conditions).toContainEqual(
      expect.objectContaining({ type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded" }),
    );
    const later = decide({ ...next, status: late.status }, [old, created], [], NOW + 700_000);
    expect(later.status).toEqual(late.status);
  });

  it("cleans up the history beyond its limit once complete", () => {
    const d = deployment({ revisionHistoryLimit: 1 }, "web:3");
    const olds = ["web:1", "web:2"].map((image, i) => {
      const set = stored(first(deployment({}, image)), { replicas: 0 });
      set.metadata.annotations = { "deployment.kubernetes.io/revision": String(i + 1) };
      return set;
    });
    const current = stored(first(d), { replicas: 3 });
    current.metadata.annotations!["deployment.kubernetes.io/revision"] = "3";
    const deleted = decide(d, [...olds, current]).actions.filter((one) => one.type === "delete");
    expect(deleted).toEqual([{ type: "delete", replicaSet: olds[0] }]);
  });
});

describe("Recreate", () => {
  const old = stored(first(deployment()), { available: 3 });
  const next = deployment({ strategy: { type: "Recreate" } }, "web:2");
  const pod = (phase: string): Pod => ({ metadata: { name: "p" }, spec: { containers: [] }, status: { phase } });

  it("starts the new set only when the last old pod has ended", () => {
    expect(sizes(decide(next, [old]))).toEqual({ [old.metadata.name]: 0 });
    const empty = stored(old, { replicas: 0 });
    expect(decide(next, [empty], [pod("Running")]).actions).toEqual([]);
    expect(createdBy(decide(next, [empty], [pod("Failed")])).spec.replicas).toBe(3);
  });
});

describe("ownership", () => {
  it("adopts a selected orphan before anything else, releases what it no longer selects, ignores others' sets", () => {
    const own = stored(first(deployment()));
    const orphan = { ...own, metadata: { ...own.metadata, ownerReferences: [] } };
    expect(decide(deployment(), [orphan]).actions).toEqual([{ type: "adopt", replicaSet: orphan }]);
    const stray = { ...own, metadata: { ...own.metadata, labels: { app: "other" } } };
    expect(decide(deployment(), [stray]).actions).toEqual([{ type: "release", replicaSet: stray }]);
    const theirs = structuredClone(own);
    theirs.metadata.ownerReferences![0]!.uid = "someone-else";
    expect(createdOrNone(decide(deployment(), [theirs]))).toBeDefined();
  });

  it("touches nothing while it is being deleted", () => {
    const d = deployment();
    d.metadata.deletionTimestamp = "2026-11-22T10:00:00Z";
    expect(decide(d, [stored(first(deployment()), { replicas: 1 })]).actions).toEqual([]);
  });
});

describe("rollingLimits", () => {
  it.each([
    [3, undefined, undefined, 1, 0],
    [10, "25%", "25%", 3, 2],
    [4, 0, 0, 0, 1],
    [10, "0%", "0%", 0, 1],
    [2, 1, 5, 1, 2],
    [0, "25%", "25%", 0, 0],
  ])("%i replicas, surge %s, unavailable %s: %i and %i", (replicas, surge, unavailable, maxSurge, maxUnavailable) => {
    const rollingUpdate = {
      ...(surge === undefined ? {} : { maxSurge: surge }),
      ...(unavailable === undefined ? {} : { maxUnavailable: unavailable }),
    };
    expect(rollingLimits(deployment({ replicas, strategy: { type: "RollingUpdate", rollingUpdate } }))).toEqual({
      maxSurge,
      maxUnavailable,
    });
  });
});

/**
 * Goal: whatever the order in which the parts move and however stale the statuses are, an update keeps within its limits
 * and ends. Method: a model of ReplicaSets whose pods, readiness and reported status advance by drawn steps.
 */
describe("any rolling update", () => {
  interface ModelSet {
    set: ReplicaSet;
    ready: number;
    total: number;
  }

  it("keeps within maxSurge and maxUnavailable under stale statuses, and completes", () => {
    const limit = fc.oneof(
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`),
    );
    const step = fc.record({ what: fc.constantFrom("decide", "obey", "ready", "report"), pick: fc.nat(9) });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        limit,
        limit,
        fc.array(step, { maxLength: 120, size: "max" }),
        (replicas, maxSurge, maxUnavailable, steps) => {
          const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } };
          let target = deployment({ replicas, strategy }, "web:2");
          const { maxSurge: surge, maxUnavailable: down } = rollingLimits(target);
          const old = stored(first(deployment({ replicas, strategy })), { replicas });
          const world: ModelSet[] = [{ set: old, ready: replicas, total: replicas }];

          const decideOnce = (): void => {
            const decision = decide(
              target,
              world.map((one) => one.set),
            );
            target = { ...target, status: decision.status };
            for (const action of decision.actions) {
              if (action.type === "create") {
                world.push({
                  set: stored(action.replicaSet, { available: 0, at: "2026-11-22T10:00:00Z" }),
                  ready: 0,
                  total: 0,
                });
                world.at(-1)!.set.status = { replicas: 0 };
              } else if (action.type === "update") {
                const entry = world.find((one) => one.set === action.before)!;
                entry.set = { ...action.replicaSet, status: entry.set.status! };
              }
            }
          };
          const obey = (one: ModelSet): void => {
            one.total = one.set.spec.replicas!;
            one.ready = Math.min(one.ready, one.total);
          };
          const report = (one: ModelSet): void => {
            const { total, ready } = one;
            one.set = {
              ...one.set,
              status: { replicas: total, readyReplicas: ready, availableReplicas: ready, observedGeneration: 1 },
            };
          };
          const check = (): void => {
            const specTotal = world.reduce((sum, one) => sum + one.set.spec.replicas!, 0);
            expect(specTotal).toBeLessThanOrEqual(replicas + surge);
            const serving = world.reduce((sum, one) => sum + Math.min(one.ready, one.set.spec.replicas!), 0);
            expect(serving).toBeGreaterThanOrEqual(replicas - down);
          };

          for (const { what, pick } of steps) {
            const one = world[pick % world.length]!;
            if (what === "decide") decideOnce();
            else if (what === "obey") obey(one);
            else if (what === "ready") one.ready = Math.min(one.total, one.ready + 1);
            else report(one);
            check();
          }
          for (let round = 0; round < 30; round++) {
            for (const one of world) {
              obey(one);
              one.ready = one.total;
              report(one);
            }
            decideOnce();
            check();
          }
          expect(world.map((one) => one.set.spec.replicas)).toEqual([0, replicas]);
        },
      ),
      { numRuns: 120 },
    );
  }, 30_000);
});
