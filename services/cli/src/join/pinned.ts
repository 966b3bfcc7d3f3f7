import { request } from "node:https";
import { TriremeError } from "@trireme/base";
import { CA_PATH, fingerprintOf } from "@trireme/pki";

/** A server that does not answer a joiner in this time does not work. */
const ANSWER_WITHIN_MS = 20_000;
/** A shared folder is some kilobytes; beyond this somebody floods us. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** The name in every apiserver's certificate: a node's certificate, of the same CA, must not pass for a server's. */
const APISERVER_NAME = "kube-apiserver";

/** What a server said. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** `https://HOST:PORT`, `HOST:PORT` or `HOST` of a server, as a URL. Throws BadRequest. */
export function serverUrl(text: string): URL {
  try {
    const url = new URL(text.includes("://") ? text : `https://${text}`);
    if (url.protocol !== "https:") throw new Error("not https");
    if (url.port === "" && !/:443\/?$/.test(text)) url.port = "6443";
    return url;
  } catch (cause) {
    throw new TriremeError("BadRequest", `--join "${text}" must be https://HOST:6443 of a server`, { cause });
  }
}

/**
 * Fetches the CA's certificate from a server that nobody trusts yet, and compares it with the hash in the token. Throws
 * "CA hash mismatch" for a false server; until then nothing secret has been sent anywhere (attack A26).
 */
export async function pinCa(server: URL, caHash: string): Promise<string> {
  const { status, body } = await ask(server, { method: "GET", path: CA_PATH, rejectUnauthorized: false });
  const found = status === 200 ? hashOf(body) : undefined;
  if (found === caHash) return body;
  throw new TriremeError(
    "Unauthorized",
    `CA hash mismatch: ${server.host} shows ${found === undefined ? "no CA" : `a CA with the hash ${found}`}, but the ` +
      `token was made by a cluster whose CA has ${caHash}. Nothing was sent. Either the address or the token is of ` +
      "another cluster, or somebody stands between",
  );
}

/** Sends a join's request over a new connection that trusts the pinned CA alone. */
export async function postPinned(server: URL, ca: string, path: string, body: unknown): Promise<Answer> {
  return ask(server, { method: "POST", path, ca, rejectUnauthorized: true }, JSON.stringify(body));
}

interface Question {
  readonly method: string;
  readonly path: string;
  readonly rejectUnauthorized: boolean;
  readonly ca?: string;
}

function hashOf(pem: string): string | undefined {
  try {
    return fingerprintOf(pem);
  } catch {
    return undefined; // No certificate at all: whoever answers is no server of ours.
  }
}

function ask(server: URL, question: Question, body = ""): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      const message = `${server.host} cannot be asked: ${cause.message}`;
      reject(new TriremeError("ServiceUnavailable", message, { cause }));
    };
    const outgoing = request({
      host: server.hostname,
      port: server.port,
      agent: false,
      headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      // Servers are called by whatever address leads to them; what counts is that the CA calls them servers.
      checkServerIdentity: (_, { subject }) =>
        subject.CN === APISERVER_NAME ? undefined : new Error(`its certificate is that of "${subject.CN}"`),
      ...question,
    });
    outgoing.setTimeout(ANSWER_WITHIN_MS, () => outgoing.destroy(new Error("no answer in time")));
    outgoing.on("error", fail);
    outgoing.on("response", (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) outgoing.destroy(new Error("its answer is too long"));
        else chunks.push(chunk);
      });
      response.on("error", fail);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    outgoing.end(body);
  });
}
