import { CONFIGMAPS, type ConfigMap, type KubeObject, type Resource } from "@trireme/api";
import { TriremeError, hasCode } from "@trireme/base";
import { HOST_LABEL, type HostData, hostRecordName } from "@trireme/pki";
import { APISERVER, HOST_ID, type User } from "../auth/user.ts";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import type { Caller } from "../pipeline/request.ts";
import type { ConsistentReads } from "../storage/consistent-reads.ts";
import type { WatchCache } from "../storage/watch-cache.ts";
import type { HostRecord } from "./decide.ts";

/** Where records of machines and tokens are. */
export const JOIN_NAMESPACE = "kube-system";

/** Joins write in the apiserver's own name: the machine has proved itself by its token. */
export const JOIN_CALLER: Caller = { user: APISERVER, userAgent: "trireme-join" };

const RESOURCE = CONFIGMAPS as Resource;

/** The records of all machines, as the cache has them. */
export function cachedHosts(cache: WatchCache): HostRecord[] {
  const prefix = `${JOIN_NAMESPACE}/${hostRecordName("")}`;
  return [...cache.of(RESOURCE).range(prefix)].flatMap(({ object }) => recordOf(object) ?? []);
}

/**
 * The records of all machines, as they are now. A cache that has just started lives in the past, where a machine that joined
 * lately is none. Throws ServiceUnavailable while the cache has not caught up.
 */
export async function freshHosts(cache: WatchCache, reads: ConsistentReads): Promise<HostRecord[]> {
  if (await reads.fresh()) return cachedHosts(cache);
  throw new TriremeError("ServiceUnavailable", "this server's cache has not caught up with the store yet; ask again", {
    details: { retryAfterSeconds: 1 },
  });
}

/** Reads a record; nothing for another ConfigMap. */
export function recordOf(object: KubeObject): HostRecord | undefined {
  const name = object.metadata.name?.slice(hostRecordName("").length) ?? "";
  const data = (object as ConfigMap).data as Partial<HostData> | undefined;
  if (object.metadata.labels?.[HOST_LABEL] === undefined || name === "") return undefined;
  const { role, address, hostId } = data ?? {};
  if ((role !== "server" && role !== "node") || address === undefined || hostId === undefined) return undefined;
  return { name, role, address, hostId };
}

/** Writes a machine's record, new or over its own older one. */
export async function writeHost(pipeline: RequestPipeline, record: HostRecord, nowMs: number): Promise<void> {
  const { role, address, hostId } = record;
  const name = hostRecordName(record.name);
  const data: HostData = { role, address, hostId, joined: new Date(nowMs).toISOString() };
  const metadata = { name, namespace: JOIN_NAMESPACE, labels: { [HOST_LABEL]: role } };
  const target = { resource: RESOURCE, namespace: JOIN_NAMESPACE };
  try {
    await pipeline.create(JOIN_CALLER, target, { metadata, data }, {});
  } catch (thrown) {
    if (!hasCode(thrown, "AlreadyExists")) throw thrown;
    await pipeline.patch(JOIN_CALLER, { ...target, name }, { type: "merge", body: { metadata, data } });
  }
}

/**
 * Why a user is refused whatever it asks: its certificate belongs to a machine that was removed, or whose name is another
 * machine's now. Nothing for everybody else.
 */
export function removedReason(cache: WatchCache, user: User): string | undefined {
  const hostId = user.extra?.[HOST_ID]?.[0];
  const name = /^system:(?:node|dns):(.+)$/.exec(user.name)?.[1];
  if (hostId === undefined || name === undefined) return undefined;
  const found = cache.of(RESOURCE).get(`${JOIN_NAMESPACE}/${hostRecordName(name)}`);
  const record = found === undefined ? undefined : recordOf(found.object);
  if (record === undefined) return `node "${name}" was removed from the cluster`;
  if (record.hostId !== hostId) return `node "${name}" is another machine now`;
  return undefined;
}
