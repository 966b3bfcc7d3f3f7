import { ENDPOINTSLICES, type EndpointSlice } from "@trireme/api";
import type { StoreClient } from "@trireme/store-client";
import { decodeObject } from "../storage/codec.ts";
import { keyOfObject } from "../storage/keys.ts";

/**
 * `host:port` of every server's REST API: as the cluster says (EndpointSlice `default/kubernetes`), or as we were started
 * with while it says nothing. Read from the store, since this is asked before any cache is filled.
 */
export async function serverAddresses(store: StoreClient, configured: readonly string[]): Promise<readonly string[]> {
  const { kvs } = await store.range({ key: keyOfObject(ENDPOINTSLICES, "default", "kubernetes") });
  if (kvs[0] === undefined) return configured;
  const slice = decodeObject(kvs[0].value, kvs[0].modRevision) as EndpointSlice;
  const port = slice.ports?.[0]?.port;
  return (slice.endpoints ?? []).flatMap((one) => one.addresses ?? []).map((host) => `${host}:${port}`);
}
