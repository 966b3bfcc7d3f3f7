import { randomBytes, randomUUID } from "node:crypto";
import { TriremeError } from "@trireme/base";
import { type KubeObject, type Namespace, type Pod, type Resource, apiVersionOf, conflict } from "@trireme/api";
import { deepEqual } from "./equality.ts";

/** Letters of generated name suffixes: Kubernetes' own, without vowels, so that no word comes out. */
const SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH = 5;

/** Room that a generated name leaves for its suffix (Kubernetes' bound for generateName). */
const MAX_GENERATED_PREFIX = 63 - SUFFIX_LENGTH;

/** The time as metadata carries it: whole seconds. */
export function rfc3339(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
}

/** A name for an object that gave only a prefix. */
export function generateName(prefix: string): string {
  return prefix.slice(0, MAX_GENERATED_PREFIX) + nameSuffix();
}

/** Letters that make a name unlike others. */
export function nameSuffix(): string {
  let suffix = "";
  for (const byte of randomBytes(SUFFIX_LENGTH)) suffix += SUFFIX_LETTERS[byte % SUFFIX_LETTERS.length];
  return suffix;
}

const COUNTING: ReadonlySet<string> = new Set([
  "pods",
  "deployments",
  "replicasets",
  "daemonsets",
  "statefulsets",
  "jobs",
  "cronjobs",
  "poddisruptionbudgets",
  "endpointslices",
]);

/** Whether writers of this kind change a spec that controllers then observe: those objects count generations. */
function countsGenerations(resource: Resource): boolean {
  return COUNTING.has(resource.resource);
}

/** Whether status is written through its own subresource, so that plain writes leave it alone. */
export function hasStatus(resource: Resource): boolean {
  return resource.subresources.some((one) => one.name === "status");
}

/** Checks that the body is of the endpoint's kind, and fills in what it leaves to the path. */
export function adoptPath<T extends KubeObject>(
  resource: Pick<Resource, "group" | "version" | "kind" | "namespaced">,
  object: T,
  namespace: string | undefined,
  name?: string,
): T {
  const apiVersion = apiVersionOf(resource);
  if ((object.kind ?? resource.kind) !== resource.kind || (object.apiVersion ?? apiVersion) !== apiVersion) {
    throw new TriremeError(
      "BadRequest",
      `the object provided is of type ${object.apiVersion}, Kind=${object.kind}, but this path takes ${apiVersion}, Kind=${resource.kind}`,
    );
  }
  // A body may leave out all that the path tells.
  const { namespace: given = "", ...metadata } = (object.metadata as T["metadata"] | undefined) ?? {};
  if (resource.namespaced && given !== "" && given !== namespace) {
    throw new TriremeError(
      "BadRequest",
      `the namespace of the provided object does not match the namespace sent on the request: "${given}" is not "${namespace}"`,
    );
  }
  const own = (metadata as { name?: string }).name ?? "";
  if (name !== undefined && own !== "" && own !== name) {
    throw new TriremeError(
      "BadRequest",
      `the name of the object (${own}) does not match the name on the URL (${name})`,
    );
  }
  const placed = resource.namespaced ? { ...metadata, namespace: namespace! } : metadata;
  return {
    ...object,
    apiVersion,
    kind: resource.kind,
    metadata: { ...placed, name: name ?? own },
  };
}

/** Gives a new object what only the server may give it. */
export function stampNew<T extends KubeObject>(resource: Resource, object: T, nowMs: number): T {
  const given = object.metadata;
  if ((given.resourceVersion ?? "") !== "") {
    throw new TriremeError("BadRequest", "resourceVersion should not be set on objects to be created");
  }
  const {
    resourceVersion: _,
    selfLink: _s,
    generation: _g,
    deletionTimestamp: _d,
    deletionGracePeriodSeconds: _p,
    ...metadata
  } = given;
  const generation = countsGenerations(resource) ? { generation: 1 } : {};
  return {
    ...object,
    metadata: { ...metadata, uid: randomUUID(), ...generation, creationTimestamp: rfc3339(nowMs) },
  };
}

/** Carries over to an update what clients may not change, and counts the generation. Throws on a broken precondition. */
export function stampUpdate<T extends KubeObject>(
  resource: Resource,
  incoming: T,
  current: KubeObject,
  subresource?: string,
): T {
  const name = current.metadata.name!;
  const { metadata } = incoming;
  if ((metadata.uid ?? "") !== "" && metadata.uid !== current.metadata.uid) {
    throw conflict(
      resource,
      name,
      `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${current.metadata.uid}`,
    );
  }
  if ((metadata.resourceVersion ?? "") !== "" && metadata.resourceVersion !== current.metadata.resourceVersion) {
    throw conflict(resource, name);
  }
  const next = withScope(resource, incoming, current, subresource);
  const { generateName: _n, selfLink: _s, ...kept } = next.metadata;
  const fixed = pickDefined(current.metadata, [
    "generateName",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
  ]);
  for (const key of ["deletionTimestamp", "deletionGracePeriodSeconds", "generation"] as const) delete kept[key];
  const result = {
    ...next,
    metadata: { ...kept, ...fixed, resourceVersion: current.metadata.resourceVersion },
  } as T;
  const counts = countsGenerations(resource) && !deepEqual(specOf(result), specOf(current));
  if (counts) result.metadata.generation = (current.metadata.generation ?? 0) + 1;
  return result;
}

/** Everything but metadata and status: what a generation counts. */
function specOf(object: KubeObject): unknown {
  const { metadata: _m, status: _s, apiVersion: _a, kind: _k, ...rest } = object as KubeObject & { status?: unknown };
  return rest;
}

/** A write through `status` changes only the status; a plain write everything but it. */
function withScope<T extends KubeObject>(
  resource: Resource,
  incoming: T,
  current: KubeObject,
  subresource: string | undefined,
): T {
  if (subresource === "status") {
    const { status } = incoming as { status?: unknown };
    const { managedFields } = incoming.metadata;
    const metadata = managedFields === undefined ? current.metadata : { ...current.metadata, managedFields };
    return { ...current, ...(status === undefined ? {} : { status }), metadata: { ...metadata } } as unknown as T;
  }
  if (resource.resource === "namespaces") return withNamespaceScope(incoming, current, subresource) as T;
  if (!hasStatus(resource)) return incoming;
  const isPod = resource.resource === "pods" && resource.group === "";
  const scoped: KubeObject = isPod ? withPodScope(incoming as unknown as Pod, current as Pod, subresource) : incoming;
  const { status: _, ...rest } = scoped as T & { status?: unknown };
  const { status } = current as { status?: unknown };
  return (status === undefined ? rest : { ...rest, status }) as T;
}

/** Ephemeral containers are changed through their subresource, and it changes nothing else. */
function withPodScope(incoming: Pod, current: Pod, subresource: string | undefined): Pod {
  const [base, source] = subresource === "ephemeralcontainers" ? [current, incoming] : [incoming, current];
  const { ephemeralContainers: _, ...spec } = base.spec;
  const kept = source.spec.ephemeralContainers;
  const { managedFields } = incoming.metadata;
  const metadata = managedFields === undefined ? base.metadata : { ...base.metadata, managedFields };
  return { ...base, metadata, spec: { ...spec, ...(kept === undefined ? {} : { ephemeralContainers: kept }) } };
}

/** A namespace's own finalizers end through `finalize` alone, so that no plain write skips the emptying. */
function withNamespaceScope(incoming: Namespace, current: Namespace, subresource: string | undefined): Namespace {
  const base = subresource === "finalize" ? current : incoming;
  const finalizers = (subresource === "finalize" ? incoming : current).spec?.finalizers;
  const spec = finalizers === undefined ? {} : { finalizers };
  const { status: _, ...rest } = base;
  return { ...rest, spec, ...(current.status === undefined ? {} : { status: current.status }) };
}

function pickDefined<T extends object, K extends keyof T>(from: T, keys: readonly K[]): Partial<T> {
  return Object.fromEntries(
    keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]),
  ) as unknown as Partial<T>;
}
