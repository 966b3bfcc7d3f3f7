import { TriremeError } from "@trireme/base";
import { renderSealingRing } from "@trireme/pki";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import { RING_PATH, ROTATE_PATH, SEALING_PATH } from "../sealing/paths.ts";
import { parseChange } from "../sealing/peers.ts";
import type { Rotator } from "../sealing/rotator.ts";
import type { SealingKeys } from "../sealing/sealing-keys.ts";
import { parseBody, readBody } from "./body.ts";
import { type Exchange, headerOf, sendBytes, sendJson } from "./exchange.ts";

/** The group in a server's own certificate. */
const SERVERS = "system:apiservers";

/** What answers under `/trireme/v1/sealing`. */
export interface SealingDoorParts {
  readonly keys: SealingKeys;
  readonly rotator: Rotator;
}

/**
 * Answers about the sealing of Secrets; false for any other path. Keys go to servers alone, by their certificates; what
 * the others may ask is a matter of roles.
 */
export async function serveSealing(
  exchange: Exchange,
  pipeline: RequestPipeline,
  { keys, rotator }: SealingDoorParts,
): Promise<boolean> {
  const { path, method, caller, response, request } = exchange;
  if (path !== SEALING_PATH && path !== RING_PATH && path !== ROTATE_PATH) return false;
  if (path === RING_PATH) {
    // Not by impersonation either: whoever may do everything may still not see the keys.
    const isServer = caller.user.groups.includes(SERVERS) && headerOf(request, "impersonate-user") === undefined;
    if (!isServer) throw forbidden(caller.user.name, method, path);
    if (method === "GET") sendBytes(response, 200, renderSealingRing(keys.sealer.keys));
    else if (method === "POST") {
      const body = await readBody(request, headerOf(request, "content-length"));
      const { add, drop } = parseChange(parseBody(body, headerOf(request, "content-type")));
      if (add !== undefined) keys.add(add.keys);
      if (drop !== undefined) await keys.drop(drop);
      sendBytes(response, 200, renderSealingRing(keys.sealer.keys));
    } else throw notAllowed(method, path);
    return true;
  }
  const { allowed } = await pipeline.decidePath(caller.user, method.toLowerCase(), path);
  if (!allowed) throw forbidden(caller.user.name, method, path);
  if (path === SEALING_PATH && method === "GET") sendJson(response, 200, await rotator.report());
  else if (path === ROTATE_PATH && method === "POST") sendJson(response, 200, await rotator.rotate());
  else throw notAllowed(method, path);
  return true;
}

function forbidden(user: string, method: string, path: string): TriremeError {
  return new TriremeError("Forbidden", `forbidden: User "${user}" cannot ${method.toLowerCase()} path "${path}"`);
}

function notAllowed(method: string, path: string): TriremeError {
  return new TriremeError("MethodNotAllowed", `${method} is not served at ${path}`);
}
