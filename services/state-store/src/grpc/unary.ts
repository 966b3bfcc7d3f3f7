import { type handleUnaryCall, status } from "@grpc/grpc-js";
import type { StoreMetrics } from "../metrics.ts";
import { type Role, roleOf } from "./access.ts";
import { toServiceError } from "./status.ts";

/** Turns an async function into a unary handler that checks the caller, counts, and maps errors. */
export type Unary = <Q, A>(
  service: string,
  method: string,
  handle: (request: Q, role: Role) => Promise<A>,
) => handleUnaryCall<Q, A>;

export function createUnary(metrics: StoreMetrics): Unary {
  return (service, method, handle) => (call, callback) => {
    const started = performance.now();
    const done = (code: status): void => {
      const labels = { grpc_service: service, grpc_method: method, grpc_type: "unary" };
      metrics.requests.inc({ ...labels, grpc_code: codeName(code) });
      metrics.requestSeconds.observe((performance.now() - started) / 1000, labels);
    };
    const answer = async (): Promise<void> => {
      try {
        const response = await handle(call.request, roleOf(call));
        done(status.OK);
        callback(null, response);
      } catch (thrown) {
        const error = toServiceError(thrown);
        done(error.code);
        callback(error);
      }
    };
    void answer();
  };
}

/** The codes' names as grpc's own metrics spell them: `OutOfRange`, `OK`. */
function codeName(code: status): string {
  if (code === status.OK) return "OK";
  return status[code]
    .split("_")
    .map((word) => word[0] + word.slice(1).toLowerCase())
    .join("");
}
