import type { ServerWritableStream, UntypedServiceImplementation } from "@grpc/grpc-js";
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as Serving,
} from "@trireme/proto/grpc/health/v1/health";
import type { Replica } from "../replica/replica.ts";

/** How often a health watch looks for a change. */
const WATCH_MS = 250;

/**
 * gRPC's health service: serving while a leader is known and the disk answers, so that balancers avoid a member that is cut
 * off or hangs.
 */
export function healthService(replica: Replica): UntypedServiceImplementation {
  const now = (): HealthCheckResponse => ({
    status: replica.isHealthy ? Serving.SERVING : Serving.NOT_SERVING,
  });
  return {
    check: (_call: unknown, callback: (error: null, response: HealthCheckResponse) => void) => callback(null, now()),
    watch: (call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>) => {
      let last = now();
      call.write(last);
      const timer = setInterval(() => {
        const next = now();
        if (next.status !== last.status) call.write(next);
        last = next;
      }, WATCH_MS);
      call.on("cancelled", () => clearInterval(timer));
      call.on("close", () => clearInterval(timer));
    },
  };
}
