import type { ServiceDefinition } from "@grpc/grpc-js";
import type { StoreMetrics } from "../metrics.ts";

/** The same service, with the bytes of its messages counted. */
export function countBytes<S extends ServiceDefinition>(service: S, metrics: StoreMetrics): S {
  const counted = Object.entries(service).map(([name, method]) => [
    name,
    {
      ...method,
      requestDeserialize: (bytes: Buffer): unknown => {
        metrics.clientReceivedBytes.inc(undefined, bytes.length);
        return method.requestDeserialize(bytes) as unknown;
      },
      responseSerialize: (response: unknown): Buffer => {
        const bytes = method.responseSerialize(response);
        metrics.clientSentBytes.inc(undefined, bytes.byteLength);
        return bytes;
      },
    },
  ]);
  return Object.fromEntries(counted) as S;
}
