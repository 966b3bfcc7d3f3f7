import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { TriremeError } from "@trireme/base";

/** A server answers within this or counts as away: it only reads and writes a few small files. */
const ANSWER_WITHIN_MS = 5000;

/** Answers are rings of a few keys. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * The other servers' REST doors, called in this server's own name: over mutual TLS with the cluster's CA, and only whoever
 * shows a certificate for the address that was called is answered to. What servers alone may know travels here.
 */
export class ServerPeers {
  private readonly pkiDir: string;
  private readonly own: string;
  private readonly addresses: () => Promise<readonly string[]>;

  /** `addresses` are the REST addresses (`host:port`) of all servers, `own` perhaps among them. */
  constructor(pkiDir: string, own: string, addresses: () => Promise<readonly string[]>) {
    this.pkiDir = pkiDir;
    this.own = own;
    this.addresses = addresses;
  }

  /** The addresses of the other servers. */
  async others(): Promise<string[]> {
    return (await this.addresses()).filter((address) => address !== this.own);
  }

  /**
   * Asks one server, with a JSON body when there is one; answers the body of its 200. Throws ServiceUnavailable when it
   * refuses, or does not answer in time.
   */
  async call(address: string, method: "GET" | "POST", path: string, body?: string): Promise<string> {
    const [ca, cert, key] = await Promise.all(
      ["ca.crt", "apiserver-client.crt", "apiserver-client.key"].map((file) => readFile(join(this.pkiDir, file))),
    );
    const at = address.lastIndexOf(":");
    const target = { host: address.slice(0, at), port: Number(address.slice(at + 1)), path, method };
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    return new Promise((resolve, reject) => {
      const fail = (why: string, cause?: unknown): void =>
        reject(new TriremeError("ServiceUnavailable", `the server at ${address} ${why}`, { cause }));
      const sent = request({ ...target, ca, cert, key, headers, agent: false, timeout: ANSWER_WITHIN_MS }, (answer) => {
        const chunks: Buffer[] = [];
        let size = 0;
        answer.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_ANSWER_BYTES) sent.destroy(new Error("its answer is too long"));
          else chunks.push(chunk);
        });
        answer.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          if (answer.statusCode === 200) resolve(text);
          else fail(`refused (${answer.statusCode}): ${messageOf(text)}`);
        });
        answer.on("error", (error) => fail(`broke off: ${error.message}`, error));
      });
      sent.on("timeout", () => sent.destroy(new Error(`no answer within ${ANSWER_WITHIN_MS / 1000} s`)));
      sent.on("error", (error) => fail(`does not answer: ${error.message}`, error));
      sent.end(body);
    });
  }
}

/** A Status' message, or the beginning of whatever else was said. */
function messageOf(status: string): string {
  try {
    return (JSON.parse(status) as { message?: string }).message ?? status;
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    return status.slice(0, 200);
  }
}
