import { Metadata, type ServiceError, credentials, status } from "@grpc/grpc-js";
import { HealthCheckResponse_ServingStatus, HealthClient } from "@trireme/proto/grpc/health/v1/health";
import type { HealthCheckResponse } from "@trireme/proto/grpc/health/v1/health";
import type { CheckResult } from "./checks.ts";

/** Asks gRPC's health service, in plain text as kubelet does; SERVING is success. `address` is host:port. */
export function grpcCheck(address: string, service: string, timeoutMs: number): Promise<CheckResult> {
  const client = new HealthClient(address, credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
    // Probes of one address must not share a connection: each is to show that a new one can be made.
    "grpc.use_local_subchannel_pool": 1,
  });
  return new Promise<CheckResult>((resolve) => {
    client.check({ service }, new Metadata(), { deadline: Date.now() + timeoutMs }, (error, answer) =>
      resolve(error === null ? resultOf(answer) : failureOf(error, address, service, timeoutMs)),
    );
  }).finally(() => client.close());
}

function resultOf(answer: HealthCheckResponse): CheckResult {
  if (answer.status === HealthCheckResponse_ServingStatus.SERVING) return { ok: true, message: "" };
  const name = NAMES[answer.status] ?? "UNKNOWN";
  return { ok: false, message: `service unhealthy (responded with "${name}")` };
}

const NAMES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/** Kubelet's sentences. */
function failureOf(error: ServiceError, address: string, service: string, timeoutMs: number): CheckResult {
  const within = `within ${timeoutMs / 1000}s`;
  switch (error.code) {
    case status.UNIMPLEMENTED:
      return {
        ok: false,
        message: `this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.details}`,
      };
    case status.NOT_FOUND:
      return { ok: false, message: `the health service does not know the service "${service}": ${error.details}` };
    case status.DEADLINE_EXCEEDED:
    case status.UNAVAILABLE:
      return { ok: false, message: `timeout: failed to connect service "${address}" ${within}: ${error.details}` };
    default:
      return { ok: false, message: `grpc probe failed: ${error.details}` };
  }
}
