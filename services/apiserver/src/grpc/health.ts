import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import { type Clock, TriremeError } from "@trireme/base";
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthServer,
  HealthCheckResponse_ServingStatus as Serving,
} from "@trireme/proto/grpc/health/v1/health";
import type { Readiness } from "../http/health.ts";
import type { Lanes } from "../lanes.ts";
import { toGrpcError } from "./errors.ts";
import { fail } from "./serving.ts";

/** How often a health watch looks for a change; a balancer asks as often. */
const WATCH_MS = 250;

/** What health needs. */
interface HealthParts {
  readonly readiness: Pick<Readiness, "problems">;
  readonly lanes: Lanes;
  readonly clock: Clock;
}

/**
 * gRPC's health service: SERVING means what `/readyz` means, for the server as a whole (service "") and for each service
 * of its own. It asks nobody who he is, as `/readyz` does not.
 */
export class HealthService {
  private readonly parts: HealthParts;
  private readonly services: ReadonlySet<string>;
  private readonly watches = new Set<() => void>();

  constructor(parts: HealthParts, services: readonly string[]) {
    this.parts = parts;
    this.services = new Set(["", ...services]);
  }

  /** The methods of `grpc.health.v1.Health`. */
  handlers(): HealthServer {
    return {
      check: (
        { request }: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
        callback: sendUnaryData<HealthCheckResponse>,
      ) => {
        const status = this.statusOf(request.service);
        if (status === Serving.SERVICE_UNKNOWN) callback(toGrpcError(unknownService(request.service)));
        else callback(null, { status });
      },
      watch: (call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>) => this.watch(call),
    };
  }

  /** Ends all watches. */
  close(): void {
    for (const end of [...this.watches]) end();
  }

  private watch(call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>): void {
    const { lanes, clock } = this.parts;
    let leave: () => void;
    try {
      leave = lanes.enter("long");
    } catch (thrown) {
      fail(call, thrown);
      return;
    }
    let last: number | undefined;
    let cancel: (() => void) | undefined;
    const look = (): void => {
      const status = this.statusOf(call.request.service);
      if (status !== last) call.write({ status });
      last = status;
      cancel = clock.after(WATCH_MS, look);
    };
    const end = (): void => {
      cancel?.();
      leave();
      this.watches.delete(end);
      if (!call.cancelled) call.end();
    };
    this.watches.add(end);
    call.on("cancelled", end);
    look();
  }

  private statusOf(service: string): HealthCheckResponse["status"] {
    if (!this.services.has(service)) return Serving.SERVICE_UNKNOWN;
    return this.parts.readiness.problems().length === 0 ? Serving.SERVING : Serving.NOT_SERVING;
  }
}

function unknownService(service: string): TriremeError {
  return new TriremeError("NotFound", `no service "${service}" is served here`);
}
