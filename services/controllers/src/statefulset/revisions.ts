import {
  CONTROLLERREVISIONS,
  type ControllerRevision,
  type PodTemplateSpec,
  STATEFULSETS,
  type StatefulSet,
} from "@trireme/api";
import { assert, hasCode } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import { templateHash } from "../deployment/template.ts";
import { controllerOf, controllerReference } from "../ownership.ts";
import { REVISION_LABEL } from "./decide.ts";

/** The name of the revision that remembers a set's template. */
export function revisionName({ metadata, spec }: StatefulSet): string {
  return `${metadata.name}-${templateHash(spec.template, undefined)}`;
}

/** The template that a revision remembers. */
export function templateOf({ data }: ControllerRevision): PodTemplateSpec {
  const template = (data as { spec?: { template?: PodTemplateSpec } } | undefined)?.spec?.template;
  assert(template !== undefined, "a revision of a set remembers its template");
  const { $patch: _, ...rest } = template as PodTemplateSpec & { $patch?: string };
  return rest;
}

/** Remembers the set's template as the newest revision, and forgets revisions beyond the limit that no pod uses. */
export async function keepRevisions(
  client: ApiClient,
  set: StatefulSet,
  known: readonly ControllerRevision[],
  used: ReadonlySet<string>,
): Promise<void> {
  const api = client.resource<ControllerRevision>(CONTROLLERREVISIONS, set.metadata.namespace);
  const name = revisionName(set);
  const own = known
    .filter((one) => controllerOf(one)?.uid === set.metadata.uid)
    .toSorted((a, b) => a.revision - b.revision);
  const newest = own.at(-1)?.revision ?? 0;
  const same = own.find(({ metadata }) => metadata.name === name);
  if (same === undefined) {
    try {
      await api.create(revisionOf(set, name, newest + 1));
    } catch (thrown) {
      // The cache does not show it yet.
      if (!hasCode(thrown, "AlreadyExists")) throw thrown;
    }
  } else if (same.revision < newest) {
    // A template that comes back, as by an undo, is the newest again.
    const body = { metadata: { resourceVersion: same.metadata.resourceVersion }, revision: newest + 1 };
    await api.patch(name, { type: "merge", body });
  }
  const idle = own.filter(({ metadata }) => metadata.name !== name && !used.has(metadata.name));
  const excess = idle.slice(0, Math.max(0, idle.length - (set.spec.revisionHistoryLimit ?? 10)));
  for (const { metadata } of excess) {
    try {
      await api.delete(metadata.name);
    } catch (thrown) {
      if (!hasCode(thrown, "NotFound")) throw thrown;
    }
  }
}

function revisionOf(set: StatefulSet, name: string, revision: number): ControllerRevision {
  const { namespace = "" } = set.metadata;
  const labels = { ...set.spec.template.metadata?.labels, [REVISION_LABEL]: name };
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: { name, namespace, labels, ownerReferences: [controllerReference(STATEFULSETS, set)] },
    // As kubectl reads it for an undo: a strategic patch that puts the whole template back.
    data: { spec: { template: { ...set.spec.template, $patch: "replace" } } },
    revision,
  };
}
