import type { ServerDuplexStream, UntypedServiceImplementation } from "@grpc/grpc-js";
import type * as rpc from "@trireme/proto/etcdserverpb/rpc";
import type { LeaseKeeper } from "../leases/lease-keeper.ts";
import { roleOf } from "./access.ts";
import { fromKey } from "./convert.ts";
import type { Requests } from "./requests.ts";
import { toServiceError } from "./status.ts";
import type { StreamCounter, Unary } from "./unary.ts";

/** Renewals of one stream that are under way; past it the stream is not read. */
const MAX_IN_FLIGHT = 1024;

const SERVICE = "etcdserverpb.Lease";

type KeepAlive = ServerDuplexStream<rpc.LeaseKeepAliveRequest, rpc.LeaseKeepAliveResponse>;

/** etcd's Lease service. */
export function leaseService(
  requests: Requests,
  leases: LeaseKeeper,
  unary: Unary,
  streams: StreamCounter,
): UntypedServiceImplementation {
  return {
    leaseGrant: unary(SERVICE, "LeaseGrant", (request: rpc.LeaseGrantRequest, role) =>
      requests.leaseGrant(role, leases.complete(request)),
    ),
    leaseRevoke: unary(SERVICE, "LeaseRevoke", (request: rpc.LeaseRevokeRequest, role) =>
      requests.leaseRevoke(role, request),
    ),
    leaseTimeToLive: unary(SERVICE, "LeaseTimeToLive", (request: rpc.LeaseTimeToLiveRequest) =>
      timeToLive(requests, leases, request),
    ),
    leaseLeases: unary(SERVICE, "LeaseLeases", async () => {
      await requests.replica.readBarrier();
      const all = requests.replica.store.leases.list();
      return { header: requests.header(), leases: all.map(({ id }) => ({ ID: id })) };
    }),
    leaseKeepAlive: (stream: KeepAlive) => {
      const done = streams.begin(stream, SERVICE, "LeaseKeepAlive", "bidi_stream");
      try {
        roleOf(stream);
        requests.refuseLearner();
      } catch (error) {
        stream.emit("error", done(toServiceError(error)));
        return;
      }
      keepAlive(stream, requests, leases);
    },
  };
}

/** What is left of a lease; TTL -1: there is none. */
export async function timeToLive(
  requests: Requests,
  leases: LeaseKeeper,
  { ID, keys: withKeys }: rpc.LeaseTimeToLiveRequest,
): Promise<rpc.LeaseTimeToLiveResponse> {
  const { ttl, grantedTtl, keys } = await leases.timeToLive(ID, withKeys);
  const numbers = { TTL: BigInt(ttl), grantedTTL: BigInt(grantedTtl) };
  return { header: requests.header(), ID, ...numbers, keys: keys.map(fromKey) };
}

/** Answers renewals as they come; a failure ends the stream, and its client opens another, at a member that works. */
function keepAlive(stream: KeepAlive, requests: Requests, leases: LeaseKeeper): void {
  let inFlight = 0;
  let open = true;
  const close = (): void => {
    open = false;
  };
  const answer = async (id: bigint): Promise<void> => {
    inFlight += 1;
    if (inFlight >= MAX_IN_FLIGHT) stream.pause();
    try {
      const ttl = await leases.renew(id);
      if (open) stream.write({ header: requests.header(), ID: id, TTL: BigInt(ttl) });
    } catch (error) {
      if (open) stream.emit("error", toServiceError(error));
      open = false;
    }
    inFlight -= 1;
    if (inFlight < MAX_IN_FLIGHT && stream.isPaused()) stream.resume();
  };
  stream.on("data", (request: rpc.LeaseKeepAliveRequest) => void answer(request.ID));
  stream.on("end", () => {
    // What is under way is still answered, as a client that closes its side expects.
    const finish = (): void => {
      if (inFlight > 0 && open) setImmediate(finish);
      else if (open) stream.end();
    };
    finish();
  });
  for (const event of ["error", "cancelled", "close"]) stream.on(event, close);
}
