import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { TriremeError, errorFrom } from "@trireme/base";
import { SEALING_FILE, type SealingKey, type SealingRing, parseSealingRing, renderSealingRing } from "@trireme/pki";
import { RING_PATH } from "./paths.ts";

/** A server answers within this or counts as away: it only reads and writes a small file. */
const ANSWER_WITHIN_MS = 5000;

/** Answers of other servers are rings of at most 16 keys. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** What one server asks another to change. */
export interface RingChange {
  readonly add?: SealingRing;
  readonly drop?: readonly string[];
}

/** The change as the body of a request. */
export function renderChange(change: RingChange): string {
  return JSON.stringify({
    ...(change.add === undefined ? {} : { add: renderSealingRing(change.add) }),
    ...(change.drop === undefined ? {} : { drop: change.drop }),
  });
}

/** Reads what {@link renderChange} made; throws BadRequest or Invalid. */
export function parseChange(body: unknown): RingChange {
  const { add, drop } = (body ?? {}) as { add?: unknown; drop?: unknown };
  const isList = drop === undefined || (Array.isArray(drop) && drop.every((id) => typeof id === "string"));
  if ((add !== undefined && typeof add !== "string") || !isList) {
    throw new TriremeError("BadRequest", "a change of sealing keys is {add: ring, drop: [id]}");
  }
  return {
    ...(add === undefined ? {} : { add: parseSealingRing(add, "the request's ring") }),
    ...(drop === undefined ? {} : { drop: drop as string[] }),
  };
}

/**
 * The other servers, as far as sealing goes: keys travel from server to server alone, over mutual TLS with the cluster's
 * CA, to whoever shows a server's certificate. They are never in the store, on the bus or in an answer to a client.
 */
export class SealingPeers {
  private readonly pkiDir: string;
  private readonly own: string;
  private readonly addresses: () => Promise<readonly string[]>;

  /** `addresses` are the REST addresses of all servers, `own` (`host:port`) perhaps among them. */
  constructor(pkiDir: string, own: string, addresses: () => Promise<readonly string[]>) {
    this.pkiDir = pkiDir;
    this.own = own;
    this.addresses = addresses;
  }

  /** The addresses of the other servers. */
  async others(): Promise<string[]> {
    return (await this.addresses()).filter((address) => address !== this.own);
  }

  /** The ring of one server. */
  async ring(address: string): Promise<SealingRing> {
    return this.call(address, "GET");
  }

  /** Changes the ring of one server; resolves with it when it is on that server's disk. */
  async change(address: string, change: RingChange): Promise<SealingRing> {
    return this.call(address, "POST", renderChange(change));
  }

  /** The keys of all servers that answer. */
  async keys(): Promise<SealingKey[]> {
    const rings = await Promise.all(
      (await this.others()).map((address) => this.ring(address).catch((thrown: unknown) => void errorFrom(thrown))),
    );
    return rings.flatMap((ring) => ring?.keys ?? []);
  }

  private async call(address: string, method: string, body?: string): Promise<SealingRing> {
    const [ca, cert, key] = await Promise.all(
      ["ca.crt", "apiserver-client.crt", "apiserver-client.key"].map((file) => readFile(join(this.pkiDir, file))),
    );
    const at = address.lastIndexOf(":");
    const target = { host: address.slice(0, at), port: Number(address.slice(at + 1)), path: RING_PATH, method };
    return new Promise((resolve, reject) => {
      const fail = (why: string, cause?: unknown): void =>
        reject(new TriremeError("ServiceUnavailable", `the server at ${address} ${why}`, { cause }));
      const headers = body === undefined ? {} : { "content-type": "application/json" };
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
          try {
            if (answer.statusCode === 200)
              resolve(parseSealingRing(text, `${SEALING_FILE} of the server at ${address}`));
            else fail(`refused (${answer.statusCode}): ${messageOf(text)}`);
          } catch (thrown) {
            reject(errorFrom(thrown));
          }
        });
        answer.on("error", (error) => fail(`broke off: ${error.message}`, error));
      });
      sent.on("timeout", () => sent.destroy(new Error(`no answer within ${ANSWER_WITHIN_MS / 1000} s`)));
      sent.on("error", (error) => fail(`does not answer: ${error.message}`, error));
      sent.end(body);
    });
  }
}

function messageOf(status: string): string {
  try {
    return (JSON.parse(status) as { message?: string }).message ?? status;
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    return status.slice(0, 200);
  }
}
