import { type Pod, SERVICEACCOUNTS, type ServiceAccountTokenProjection, type TokenRequest } from "@trireme/api";
import { type Clock, TriremeError } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import type { Logger } from "@trireme/telemetry";

/** Where tokens that pods carry come from. */
export interface TokenSource {
  /** A token of the pod's account that is good for a while yet. */
  get(pod: Pod, want: ServiceAccountTokenProjection): Promise<string>;
}

/** A token and when it was made and ends, in milliseconds. */
export interface HeldToken {
  readonly token: string;
  readonly issuedMs: number;
  readonly expiresMs: number;
}

/** As kubelet does: a token is replaced when 80 % of its life are over, and once a day. */
const LIFE_SHARE = 0.8;
const MAX_AGE_MS = 24 * 3600_000;

/** Tokens held at most: twice what the pods of a full node carry. Beyond it the oldest is asked for again. */
const MAX_HELD = 512;

/** Whether a token should be replaced. Pure. */
export function isDue({ issuedMs, expiresMs }: HeldToken, nowMs: number): boolean {
  return nowMs >= issuedMs + (expiresMs - issuedMs) * LIFE_SHARE || nowMs >= issuedMs + MAX_AGE_MS;
}

/** What is asked of the API: a token that ends with this pod. Pure. */
export function tokenRequestOf(pod: Pod, { audience, expirationSeconds }: ServiceAccountTokenProjection): TokenRequest {
  const { name, uid = "" } = pod.metadata;
  return {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    metadata: {} as TokenRequest["metadata"],
    spec: {
      ...(audience === undefined ? {} : { audiences: [audience] }),
      ...(expirationSeconds === undefined ? {} : { expirationSeconds }),
      boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid },
    },
  };
}

/** Tokens from the API, kept until they are due. While the API is away a token serves as long as it is good. */
export function apiTokenSource(client: ApiClient, clock: Clock, log: Logger): TokenSource {
  const held = new Map<string, HeldToken>();

  async function request(pod: Pod, want: ServiceAccountTokenProjection): Promise<HeldToken> {
    const account = pod.spec.serviceAccountName ?? "default";
    const api = client.resource(SERVICEACCOUNTS, pod.metadata.namespace ?? "default");
    const issuedMs = clock.now();
    const answer = (await api.subresource("POST", account, "token", tokenRequestOf(pod, want))) as TokenRequest;
    const { token, expirationTimestamp } = answer.status ?? {};
    if (token === undefined || expirationTimestamp === undefined) {
      throw new TriremeError("InternalError", `the API answered no token for service account "${account}"`);
    }
    return { token, issuedMs, expiresMs: Date.parse(expirationTimestamp) };
  }

  return {
    async get(pod, want) {
      const key = [pod.metadata.uid, want.audience ?? "", want.expirationSeconds ?? ""].join("/");
      const known = held.get(key);
      if (known !== undefined && !isDue(known, clock.now())) return known.token;
      try {
        const fresh = await request(pod, want);
        held.delete(key);
        held.set(key, fresh);
        for (const oldest of held.keys()) {
          if (held.size <= MAX_HELD) break;
          held.delete(oldest);
        }
        return fresh.token;
      } catch (error) {
        if (known === undefined || clock.now() >= known.expiresMs) throw error;
        log.info("a pod keeps its token for now", {
          pod: `${pod.metadata.namespace}/${pod.metadata.name}`,
          err: error,
        });
        return known.token;
      }
    },
  };
}

/** Whether files of the pod hold tokens, which have to be replaced in time. */
export function carriesTokens(pod: Pod): boolean {
  return (pod.spec.volumes ?? []).some((volume) =>
    (volume.projected?.sources ?? []).some((source) => source.serviceAccountToken !== undefined),
  );
}
