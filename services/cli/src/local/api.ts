import { readFileSync } from "node:fs";
import { errorFrom } from "@trireme/base";
import { type ApiClient, type RawResponse, createApiClient, errorFromResponse } from "@trireme/client";
import type { ClusterPlan } from "../plan/cluster-plan.ts";

/** A client with the administrator's identity, through the balancer. */
export function adminClient(plan: ClusterPlan): ApiClient {
  const read = (file: string): Buffer => readFileSync(`${plan.dir}/pki/${file}`);
  return createApiClient({
    servers: [`127.0.0.1:${plan.shape.httpsPort}`],
    ca: read("ca.crt"),
    cert: read("admin.crt"),
    key: read("admin.key"),
    userAgent: "tri",
  });
}

/** Patience with one question while a cluster starts. */
const ASK_WITHIN_MS = 2_000;

/** Asks for JSON while the cluster may still be starting: any failure is "not yet". */
export async function tryGet<T>(client: ApiClient, path: string): Promise<T | undefined> {
  try {
    const response = await client.raw("GET", path, { timeoutMs: ASK_WITHIN_MS });
    return response.status === 200 ? (JSON.parse(response.body.toString()) as T) : undefined;
  } catch (thrown) {
    const { code } = errorFrom(thrown);
    if (code === "InternalError" && !(thrown instanceof SyntaxError)) throw thrown;
    return undefined;
  }
}

/** The parsed answer, or the error that its Status tells. */
export function parseAnswer<T>(response: RawResponse): T {
  if (response.status >= 400) throw errorFromResponse(response.status, response.body);
  return JSON.parse(response.body.toString()) as T;
}
