/** The history of templates that DaemonSets and StatefulSets keep, as ControllerRevisions that kubectl reads. */
import {
  CONTROLLERREVISIONS,
  type ControllerRevision,
  type KubeObject,
  type LabelSelector,
  type PodTemplateSpec,
  type Resource,
} from "@trireme/api";
import { assert, hasCode } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import { templateHash } from "./deployment/template.ts";
import { controllerOf, controllerReference } from "./ownership.ts";

/** Label of a pod that says from which revision it was made. */
export const REVISION_LABEL = "controller-revision-hash";

/** An object whose templates are remembered. */
export interface Revised extends KubeObject {
  spec: { selector: LabelSelector; template: PodTemplateSpec; revisionHistoryLimit?: number };
}

/** One thing to do about a history. */
export type RevisionAction =
  | { readonly type: "create"; readonly name: string; readonly revision: number }
  | { readonly type: "renumber"; readonly known: ControllerRevision; readonly revision: number }
  | { readonly type: "forget"; readonly known: ControllerRevision };

/** A short name for the present template, unique among those of one object. */
export function revisionHash({ spec }: Revised): string {
  return templateHash(spec.template, undefined);
}

/** The name of the revision that remembers an object's present template. */
export function revisionName(owner: Revised): string {
  return `${owner.metadata.name}-${revisionHash(owner)}`;
}

/** The template that a revision remembers. */
export function templateOf({ data }: ControllerRevision): PodTemplateSpec {
  const template = (data as { spec?: { template?: PodTemplateSpec } } | undefined)?.spec?.template;
  assert(template !== undefined, "a revision remembers its template");
  const { $patch: _, ...rest } = template as PodTemplateSpec & { $patch?: string };
  return rest;
}

/**
 * How the history becomes what it should be: the present template is the newest revision, and of those that no pod uses
 * (`used` holds names) no more than the limit stay.
 */
export function decideRevisions(
  owner: Revised,
  known: readonly ControllerRevision[],
  used: ReadonlySet<string>,
): RevisionAction[] {
  const name = revisionName(owner);
  const own = known
    .filter((one) => controllerOf(one)?.uid === owner.metadata.uid)
    .toSorted((a, b) => a.revision - b.revision);
  const newest = own.at(-1)?.revision ?? 0;
  const same = own.find(({ metadata }) => metadata.name === name);
  const actions: RevisionAction[] = [];
  if (same === undefined) actions.push({ type: "create", name, revision: newest + 1 });
  // A template that comes back, as by an undo, is the newest again.
  else if (same.revision < newest) actions.push({ type: "renumber", known: same, revision: newest + 1 });
  const idle = own.filter(({ metadata }) => metadata.name !== name && !used.has(metadata.name));
  const excess = idle.slice(0, Math.max(0, idle.length - (owner.spec.revisionHistoryLimit ?? 10)));
  return [...actions, ...excess.map((one) => ({ type: "forget" as const, known: one }))];
}

/** Does what {@link decideRevisions} says. `labels` are what the owner's kind adds to its revisions. */
export async function keepRevisions(
  client: ApiClient,
  resource: Resource,
  owner: Revised,
  labels: Readonly<Record<string, string>>,
  actions: readonly RevisionAction[],
): Promise<void> {
  const api = client.resource<ControllerRevision>(CONTROLLERREVISIONS, owner.metadata.namespace);
  for (const action of actions) {
    try {
      switch (action.type) {
        case "create":
          await api.create(revisionOf(resource, owner, labels, action.name, action.revision));
          break;
        case "renumber": {
          const { name, resourceVersion } = action.known.metadata;
          await api.patch(name, { type: "merge", body: { metadata: { resourceVersion }, revision: action.revision } });
          break;
        }
        case "forget":
          await api.delete(action.known.metadata.name);
          break;
      }
    } catch (thrown) {
      // The cache lagged: it is there, or gone, already.
      if (action.type === "create" ? !hasCode(thrown, "AlreadyExists") : !hasCode(thrown, "NotFound")) throw thrown;
    }
  }
}

function revisionOf(
  resource: Resource,
  owner: Revised,
  own: Readonly<Record<string, string>>,
  name: string,
  revision: number,
): ControllerRevision {
  const { namespace = "", annotations } = owner.metadata;
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      name,
      namespace,
      labels: { ...owner.spec.template.metadata?.labels, ...own },
      // `kubectl rollout history` shows the reason of a change that is among them.
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [controllerReference(resource, owner)],
    },
    // As kubectl reads it for an undo: a strategic patch that puts the whole template back.
    data: { spec: { template: { ...owner.spec.template, $patch: "replace" } } },
    revision,
  };
}
