import type { ServiceDefinition } from "@grpc/grpc-js";
import type { StoreMetrics } from "../metrics.ts";

/** The same service, with the bytes of its messages counted. */
export function countBytes<S extends ServiceDefinition>(service: S, metrics: StoreMetrics): S {
  const received = metrics.clientReceivedBytes.series({});
  const sent = metrics.clientSentBytes.series({});
  const counted = Object.entries(service).map(([name, method]) => [
    name,
    {
      ...method,
      requestDeserialize: (bytes: Buffer): unknown => {
        received.inc(bytes.length);
        return method.requestDeserialize(bytes) as unknown;
      },
      responseSerialize: (response: unknown): Buffer => {
        const bytes = method.responseSerialize(response);
        sent.inc(bytes.byteLength);
        return bytes;
      },
    },
  ]);
  return Object.fromEntries(counted) as S;
}
