import type { ControllerRevision, DaemonSet } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { type RevisionAction, decideRevisions, revisionName, templateOf } from "./revisions.ts";

function daemonSet(image: string, limit?: number): DaemonSet {
  return {
    metadata: { name: "agent", namespace: "default", uid: "ds-1" },
    spec: {
      selector: { matchLabels: { app: "agent" } },
      template: { metadata: { labels: { app: "agent" } }, spec: { containers: [{ name: "c", image }] } },
      ...(limit === undefined ? {} : { revisionHistoryLimit: limit }),
    },
  };
}

function known(image: string, revision: number, owner = "ds-1"): ControllerRevision {
  const of = daemonSet(image);
  return {
    metadata: {
      name: revisionName(of),
      ownerReferences: [{ apiVersion: "apps/v1", kind: "DaemonSet", name: "agent", uid: owner, controller: true }],
    },
    data: { spec: { template: { ...of.spec.template, $patch: "replace" } } },
    revision,
  };
}

function told(actions: readonly RevisionAction[]): string[] {
  return actions.map((one) => {
    const of = one.type === "create" ? one.name : one.known.metadata.name;
    return one.type === "forget" ? `forget ${of}` : `${one.type} ${of} as ${one.revision}`;
  });
}

const name = (image: string): string => revisionName(daemonSet(image));

describe("the history of templates", () => {
  it("begins with the first, and adds each new one as the newest", () => {
    expect(told(decideRevisions(daemonSet("a"), [], new Set()))).toEqual([`create ${name("a")} as 1`]);
    expect(decideRevisions(daemonSet("a"), [known("a", 1)], new Set())).toEqual([]);
    expect(told(decideRevisions(daemonSet("b"), [known("a", 1)], new Set()))).toEqual([`create ${name("b")} as 2`]);
  });

  it("makes a template that comes back the newest", () => {
    const history = [known("a", 1), known("b", 2)];
    expect(told(decideRevisions(daemonSet("a"), history, new Set()))).toEqual([`renumber ${name("a")} as 3`]);
  });

  it("forgets the oldest beyond the limit, but none that a pod was made from", () => {
    const history = [known("a", 1), known("b", 2), known("c", 3), known("d", 4)];
    expect(told(decideRevisions(daemonSet("d", 2), history, new Set()))).toEqual([`forget ${name("a")}`]);
    expect(told(decideRevisions(daemonSet("d", 1), history, new Set([name("a")])))).toEqual([`forget ${name("b")}`]);
  });

  it("leaves revisions of others alone", () => {
    const history = [known("a", 7, "another"), known("b", 8, "another")];
    expect(told(decideRevisions(daemonSet("a", 0), history, new Set()))).toEqual([`create ${name("a")} as 1`]);
  });

  it("holds the template as it was", () => {
    expect(templateOf(known("a", 1))).toEqual(daemonSet("a").spec.template);
  });
});
