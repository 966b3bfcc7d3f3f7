import { CONFIGMAPS, SECRETS } from "@trireme/api";
import type { ConfigMap, Secret } from "@trireme/api";
import { hasCode } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import type { KeyValues } from "../pods/environment.ts";

/** Where the ConfigMaps and Secrets that pods name come from. Undefined: there is no such object. */
export interface ConfigSource {
  get(kind: "ConfigMap" | "Secret", namespace: string, name: string): Promise<KeyValues | undefined>;
}

/**
 * How long an answer serves other pods: the replicas of one Deployment start together and name the same objects. Short,
 * since a pod that starts later must see what was written before it.
 */
const KEEP_MS = 1000;
/** Objects kept at most; beyond that the oldest answer is forgotten. */
const MAX_KEPT = 256;

/** Reads ConfigMaps and Secrets from the API; a node may read those that its own pods name. */
export function apiConfigSource(client: ApiClient): ConfigSource {
  const kept = new Map<string, { readonly at: number; readonly value: Promise<KeyValues | undefined> }>();
  return {
    get(kind, namespace, name) {
      const key = `${kind}/${namespace}/${name}`;
      const now = performance.now();
      const hit = kept.get(key);
      if (hit !== undefined && now - hit.at < KEEP_MS) return hit.value;
      const value = read(client, kind, namespace, name);
      // A failure is not worth keeping; the caller sees it through the promise it was given.
      value.catch(() => kept.delete(key));
      kept.delete(key);
      kept.set(key, { at: now, value });
      for (const old of kept.keys()) {
        if (kept.size <= MAX_KEPT) break;
        kept.delete(old);
      }
      return value;
    },
  };
}

async function read(
  client: ApiClient,
  kind: "ConfigMap" | "Secret",
  namespace: string,
  name: string,
): Promise<KeyValues | undefined> {
  try {
    return kind === "Secret"
      ? secretData(await client.resource<Secret>(SECRETS, namespace).get(name))
      : configMapData(await client.resource<ConfigMap>(CONFIGMAPS, namespace).get(name));
  } catch (error) {
    if (hasCode(error, "NotFound")) return undefined;
    throw error;
  }
}

/** A Secret's data, decoded. */
export function secretData(secret: Secret): KeyValues {
  return new Map(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, "base64")]));
}

/** A ConfigMap's data, as bytes. */
export function configMapData(map: ConfigMap): KeyValues {
  return new Map([
    ...Object.entries(map.data ?? {}).map(([key, value]) => [key, Buffer.from(value)] as const),
    ...Object.entries(map.binaryData ?? {}).map(([key, value]) => [key, Buffer.from(value, "base64")] as const),
  ]);
}
