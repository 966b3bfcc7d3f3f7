import { readFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { TriremeError } from "@trireme/base";
import type { TokenKeyChange, TokenKeyPeers, TokenKeyRotator } from "../auth/tokens/key-rotator.ts";
import type { SigningKeyFiles, TokenKeyRing } from "../auth/tokens/signing-keys.ts";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import { parseBody, readBody } from "./body.ts";
import { type Exchange, headerOf, sendJson } from "./exchange.ts";

/** A server's keys, for the other servers alone. */
const RING_PATH = "/trireme/v1/token-keys/ring";
/** Rotates the key: for whoever may `post` this path. */
const ROTATE_PATH = "/trireme/v1/token-keys/rotate";

/** The group in a server's own certificate. */
const SERVERS = "system:apiservers";

/** A server answers within this or counts as away: it only reads and writes small files. */
const ANSWER_WITHIN_MS = 5000;
/** Answers are a ring of few keys. */
const MAX_ANSWER_BYTES = 64 * 1024;

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

/** The other servers over mutual TLS with the cluster's CA; `addresses` are those of all REST doors, `own` among them. */
export function tokenKeyPeers(pkiDir: string, own: string, addresses: () => Promise<readonly string[]>): TokenKeyPeers {
  async function call(address: string, method: string, change?: TokenKeyChange): Promise<TokenKeyRing> {
    const [ca, cert, key] = await Promise.all(
      ["ca.crt", "apiserver-client.crt", "apiserver-client.key"].map((file) => readFile(join(pkiDir, file))),
    );
    const at = address.lastIndexOf(":");
    const target = { host: address.slice(0, at), port: Number(address.slice(at + 1)), path: RING_PATH, method };
    const headers = { "content-type": "application/json" };
    return new Promise((resolve, reject) => {
      const fail = (why: string, cause?: unknown): void =>
        reject(new TriremeError("ServiceUnavailable", `the server at ${address} ${why}`, { cause }));
      const sent = httpsRequest(
        { ...target, ca, cert, key, headers, agent: false, timeout: ANSWER_WITHIN_MS },
        (answer) => {
          let text = "";
          answer.setEncoding("utf8").on("data", (piece: string) => {
            text += piece;
            if (text.length > MAX_ANSWER_BYTES) sent.destroy(new Error("its answer is too long"));
          });
          answer.on("error", (error) => fail(`broke off: ${error.message}`, error));
          answer.on("end", () => {
            if (answer.statusCode === 200) resolve(JSON.parse(text) as TokenKeyRing);
            else fail(`refused (${answer.statusCode})`);
          });
        },
      );
      sent.on("timeout", () => sent.destroy(new Error(`no answer within ${ANSWER_WITHIN_MS / 1000} s`)));
      sent.on("error", (error) => fail(`does not answer: ${error.message}`, error));
      sent.end(change === undefined ? undefined : JSON.stringify(change));
    });
  }
  return {
    others: async () => (await addresses()).filter((address) => address !== own),
    ring: (address) => call(address, "GET"),
    change: (address, change) => call(address, "POST", change),
  };
}
