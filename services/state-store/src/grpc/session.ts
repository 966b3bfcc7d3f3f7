import type { ServerDuplexStream, UntypedServiceImplementation } from "@grpc/grpc-js";
import { errorFrom } from "@trireme/base";
import type {
  OpenRequest,
  OpenResponse,
  SessionRequest,
  SessionResponse,
} from "@trireme/proto/trireme/store/v1/session";
import type { LeaseKeeper } from "../leases/lease-keeper.ts";
import { type Role, roleOf } from "./access.ts";
import { timeToLive } from "./lease.ts";
import type { Requests } from "./requests.ts";
import { statusOf, toServiceError } from "./status.ts";
import type { StreamCounter } from "./unary.ts";

/** Requests of one session that are under way; past it the stream is not read, which holds the client back. */
const MAX_IN_FLIGHT = 4096;

type Stream = ServerDuplexStream<OpenRequest, OpenResponse>;
type Answer = NonNullable<SessionResponse["response"]>;

/** The pipelined session: the same requests as etcd's KV and Lease services, many under way on one stream. */
export function sessionService(
  requests: Requests,
  leases: LeaseKeeper,
  streams: StreamCounter,
): UntypedServiceImplementation {
  return {
    open: (stream: Stream) => {
      const done = streams.begin(stream, "trireme.store.v1.SessionService", "Open", "bidi_stream");
      try {
        new Session(stream, requests, leases, roleOf(stream)).start();
      } catch (error) {
        stream.emit("error", done(toServiceError(error)));
      }
    },
  };
}

class Session {
  private readonly stream: Stream;
  private readonly requests: Requests;
  private readonly leases: LeaseKeeper;
  private readonly role: Role;
  private inFlight = 0;
  private answers: SessionResponse[] = [];
  private scheduled = false;
  private blocked = false;
  private closed = false;

  constructor(stream: Stream, requests: Requests, leases: LeaseKeeper, role: Role) {
    this.stream = stream;
    this.requests = requests;
    this.leases = leases;
    this.role = role;
  }

  start(): void {
    const { stream } = this;
    const close = (): void => {
      this.closed = true;
    };
    stream.on("data", (batch: OpenRequest) => {
      for (const request of batch.requests) void this.answer(request);
    });
    stream.on("drain", () => {
      this.blocked = false;
      this.flush();
      this.hold();
    });
    stream.on("end", () => {
      close();
      stream.end();
    });
    stream.on("error", close);
    stream.on("cancelled", close);
    stream.on("close", close);
  }

  private async answer(request: SessionRequest): Promise<void> {
    this.inFlight += 1;
    this.hold();
    let response: Answer;
    try {
      response = await this.run(request);
    } catch (thrown) {
      const error = errorFrom(thrown);
      const value = { code: statusOf(error), message: error.message, unknownOutcome: error.code === "Unknown" };
      response = { $case: "error", value };
    }
    this.inFlight -= 1;
    this.answers.push({ id: request.id, response });
    if (this.scheduled) return;
    // One message for all that this turn of the loop has answered.
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.flush();
      this.hold();
    });
  }

  private async run({ request }: SessionRequest): Promise<Answer> {
    const { requests, leases, role } = this;
    requests.refuseLearner();
    switch (request?.$case) {
      case "range":
        return { $case: "range", value: await requests.range(request.value) };
      case "put":
        return { $case: "put", value: await requests.put(role, request.value) };
      case "deleteRange":
        return { $case: "deleteRange", value: await requests.deleteRange(role, request.value) };
      case "txn":
        return { $case: "txn", value: await requests.txn(role, request.value) };
      case "compact":
        return { $case: "compact", value: await requests.compact(role, request.value) };
      case "readRevision":
        return { $case: "readRevision", value: await requests.readRevision() };
      case "leaseGrant":
        return { $case: "leaseGrant", value: await requests.leaseGrant(role, leases.complete(request.value)) };
      case "leaseRevoke":
        return { $case: "leaseRevoke", value: await requests.leaseRevoke(role, request.value) };
      case "leaseKeepAlive": {
        const { ID } = request.value;
        const TTL = BigInt(await leases.renew(ID));
        return { $case: "leaseKeepAlive", value: { header: requests.header(), ID, TTL } };
      }
      case "leaseTimeToLive":
        return { $case: "leaseTimeToLive", value: await timeToLive(requests, leases, request.value) };
      case undefined:
        return { $case: "error", value: { code: 12, message: "unknown request", unknownOutcome: false } };
    }
  }

  private flush(): void {
    if (this.closed || this.blocked || this.answers.length === 0) return;
    const responses = this.answers;
    this.answers = [];
    this.blocked = !this.stream.write({ responses });
  }

  /** Reads on only while there is room for what comes back. */
  private hold(): void {
    if (this.inFlight + this.answers.length >= MAX_IN_FLIGHT || this.blocked) this.stream.pause();
    else if (this.stream.isPaused()) this.stream.resume();
  }
}
