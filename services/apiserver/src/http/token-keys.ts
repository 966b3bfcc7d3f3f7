import { TriremeError } from "@trireme/base";
import type { TokenKeyPeers, TokenKeyRotator } from "../auth/tokens/key-rotator.ts";
import type { SigningKeyFiles, TokenKeyRing } from "../auth/tokens/signing-keys.ts";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import type { ServerPeers } from "../server-peers.ts";
import { parseBody, readBody } from "./body.ts";
import { type Exchange, headerOf, sendJson } from "./exchange.ts";

/** A server's keys, for the other servers alone. */
const RING_PATH = "/trireme/v1/token-keys/ring";
/** Rotates the key: for whoever may `post` this path. */
const ROTATE_PATH = "/trireme/v1/token-keys/rotate";

/** The group in a server's own certificate. */
const SERVERS = "system:apiservers";

/** What answers under `/trireme/v1/token-keys`. */
export interface TokenKeyDoorParts {
  readonly keys: SigningKeyFiles;
  readonly rotator: TokenKeyRotator;
}

/** Answers about the keys of tokens; false for any other path. Keys go to servers alone, by their certificates. */
export async function serveTokenKeys(
  exchange: Exchange,
  pipeline: RequestPipeline,
  { keys, rotator }: TokenKeyDoorParts,
): Promise<boolean> {
  const { path, method, caller, request, response } = exchange;
  if (path === ROTATE_PATH) {
    const { allowed } = await pipeline.decidePath(caller.user, method.toLowerCase(), path);
    if (!allowed) throw forbidden(caller.user.name, method, path);
    if (method !== "POST") throw notAllowed(method, path);
    sendJson(response, 200, await rotator.rotate());
    return true;
  }
  if (path !== RING_PATH) return false;
  // Not by impersonation either: whoever may do everything may still not see the keys.
  if (caller.actor !== undefined || !caller.user.groups.includes(SERVERS))
    throw forbidden(caller.user.name, method, path);
  if (method === "POST") {
    const bytes = await readBody(request, headerOf(request, "content-length"));
    const { add, promote } = parseBody(bytes, headerOf(request, "content-type")) as {
      add?: unknown;
      promote?: unknown;
    };
    if (typeof add === "string") keys.add(add);
    else if (typeof promote === "string") keys.promote(promote);
    else throw new TriremeError("BadRequest", "a change of token keys is {add: PEM} or {promote: id}");
  } else if (method !== "GET") throw notAllowed(method, path);
  sendJson(response, 200, keys.ring());
  return true;
}

function forbidden(user: string, method: string, path: string): TriremeError {
  return new TriremeError("Forbidden", `forbidden: User "${user}" cannot ${method.toLowerCase()} path "${path}"`);
}

function notAllowed(method: string, path: string): TriremeError {
  return new TriremeError("MethodNotAllowed", `${method} is not served at ${path}`);
}

/** The other servers, as far as the keys of tokens go. */
export function tokenKeyPeers(servers: ServerPeers): TokenKeyPeers {
  const ringOf = async (answer: Promise<string>): Promise<TokenKeyRing> => JSON.parse(await answer) as TokenKeyRing;
  return {
    others: () => servers.others(),
    ring: (address) => ringOf(servers.call(address, "GET", RING_PATH)),
    change: (address, change) => ringOf(servers.call(address, "POST", RING_PATH, JSON.stringify(change))),
  };
}
