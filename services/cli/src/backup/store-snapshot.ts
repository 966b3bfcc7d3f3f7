import { readFileSync } from "node:fs";
import { type ServiceError, credentials } from "@grpc/grpc-js";
import { TriremeError } from "@trireme/base";
import { KVClient, MaintenanceClient, RangeRequest, type SnapshotResponse } from "@trireme/proto/etcdserverpb/rpc";

/** The store answers within 7 s, whatever happens; one more for the way. */
const BARRIER_WITHIN_MS = 8_000;

/** A snapshot as it comes from a member of the store. */
export interface SnapshotStream {
  /** Of the state that is streamed. */
  readonly revision: number;
  readonly pieces: AsyncIterable<Uint8Array>;
}

/**
 * Streams a member's state, which has everything that was acknowledged before the call. `pkiDir` is a server's. Throws
 * ServiceUnavailable when the member does not answer or finds no majority.
 */
export async function withSnapshot<T>(
  endpoint: string,
  pkiDir: string,
  use: (snapshot: SnapshotStream) => Promise<T>,
): Promise<T> {
  const read = (file: string): Buffer => readFileSync(`${pkiDir}/${file}`);
  const tls = credentials.createSsl(read("store-ca.crt"), read("store-apiserver.key"), read("store-apiserver.crt"));
  // By address there is no server name to send in TLS; every store's certificate carries this one.
  const options = { "grpc.ssl_target_name_override": "localhost", "grpc.enable_http_proxy": 0 };
  const kv = new KVClient(endpoint, tls, options);
  const maintenance = new MaintenanceClient(endpoint, tls, { ...options, "grpc.max_receive_message_length": -1 });
  try {
    await barrier(kv);
    const pieces = (maintenance.snapshot({}) as AsyncIterable<SnapshotResponse>)[Symbol.asyncIterator]();
    const first = await pieces.next();
    if (first.done === true) throw new TriremeError("ServiceUnavailable", `${endpoint} streams no snapshot`);
    // Made with the first piece in one turn of the member's loop: its header tells the revision of what is streamed.
    const revision = Number(first.value.header?.revision ?? 0n);
    async function* all(): AsyncGenerator<Uint8Array> {
      for (let piece = first; piece.done !== true; piece = await pieces.next()) yield piece.value.blob;
    }
    return await use({ revision, pieces: all() });
  } catch (thrown) {
    if (!isServiceError(thrown)) throw thrown;
    const why = `the store at ${endpoint} gives no snapshot: ${thrown.details}`;
    throw new TriremeError("ServiceUnavailable", why, { cause: thrown });
  } finally {
    kv.close();
    maintenance.close();
  }
}

/** A linearizable read: afterwards this member has applied all that anybody was told of. */
function barrier(kv: KVClient): Promise<void> {
  const request = RangeRequest.fromPartial({ key: Buffer.from("/"), countOnly: true });
  return new Promise((resolve, reject) => {
    kv.waitForReady(Date.now() + BARRIER_WITHIN_MS, (late) => {
      if (late !== undefined && late !== null) {
        reject(new TriremeError("ServiceUnavailable", `the store at ${kv.getChannel().getTarget()} does not answer`));
        return;
      }
      kv.range(request, (error: ServiceError | null) => (error === null ? resolve() : reject(error)));
    });
  });
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && "details" in thrown && typeof thrown.details === "string";
}
