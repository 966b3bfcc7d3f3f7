import { type ServiceError, type handleUnaryCall, status } from "@grpc/grpc-js";
import type { StoreMetrics } from "../metrics.ts";
import { FAILURE } from "../replica/failures.ts";
import { type Role, roleOf } from "./access.ts";
import { toServiceError } from "./status.ts";

/** Turns an async function into a unary handler that checks the caller, counts, and maps errors. */
export type Unary = <Q, A>(
  service: string,
  method: string,
  handle: (request: Q, role: Role) => Promise<A>,
  options?: {
    /** Whether a learner answers it: it may be far behind, and clients go by mistake to whoever answers. As etcd. */
    readonly forLearners?: (request: Q) => boolean;
  },
) => handleUnaryCall<Q, A>;

export function createUnary(
  metrics: StoreMetrics,
  member: { readonly isLearner: boolean; readonly currentLeader: bigint },
): Unary {
  return (service, method, handle, options) => {
    const labels = { grpc_service: service, grpc_method: method, grpc_type: "unary" };
    const begun = metrics.started.series(labels);
    const succeeded = metrics.requests.series({ ...labels, grpc_code: codeName(status.OK) });
    const seconds = metrics.requestSeconds.series(labels);
    return (call, callback) => {
      const started = performance.now();
      begun.inc();
      const end = (): void => seconds.observe((performance.now() - started) / 1000);
      const fail = (thrown: unknown): void => {
        const error = toServiceError(thrown);
        metrics.requests.inc({ ...labels, grpc_code: codeName(error.code) });
        end();
        callback(error);
      };
      try {
        const role = roleOf(call);
        // A client that wants a leader is told at once that there is none, even where an old answer would do. As etcd.
        const wantsLeader = call.metadata.get("hasleader")[0] === "true";
        if (wantsLeader && member.currentLeader === 0n) throw FAILURE.noLeader();
        if (member.isLearner && options?.forLearners?.(call.request) !== true) throw FAILURE.notForLearners();
        handle(call.request, role).then((response) => {
          succeeded.inc();
          end();
          callback(null, response);
        }, fail);
      } catch (thrown) {
        fail(thrown);
      }
    };
  };
}

/** Counts streams as grpc's own metrics do: one call each, with the code that it ended with. */
export class StreamCounter {
  private readonly metrics: StoreMetrics;

  constructor(metrics: StoreMetrics) {
    this.metrics = metrics;
  }

  /** Counts a stream that begins; what it answers passes an error on and remembers its code. */
  begin(
    stream: NodeJS.EventEmitter,
    service: string,
    method: string,
    type: "bidi_stream" | "server_stream",
  ): (error: { code: status; details: string }) => { code: status; details: string } {
    const labels = { grpc_service: service, grpc_method: method, grpc_type: type };
    this.metrics.started.inc(labels);
    let code: status = status.OK;
    let counted = false;
    const end = (): void => {
      if (counted) return;
      counted = true;
      this.metrics.requests.inc({ ...labels, grpc_code: codeName(code) });
    };
    stream.on("cancelled", () => {
      code = status.CANCELLED;
      end();
    });
    stream.on("error", (error: Partial<ServiceError>) => {
      code = error.code ?? status.UNKNOWN;
      end();
    });
    stream.on("close", end);
    stream.on("finish", end);
    return (error) => {
      code = error.code;
      return error;
    };
  }
}

/** The codes' names as grpc's own metrics spell them: `OutOfRange`, `OK`. */
function codeName(code: status): string {
  if (code === status.OK) return "OK";
  return status[code]
    .split("_")
    .map((word) => word[0] + word.slice(1).toLowerCase())
    .join("");
}
