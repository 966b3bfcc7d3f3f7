import { Metadata, status } from "@grpc/grpc-js";
import { BadRequest, ErrorInfo, ResourceInfo, RetryInfo } from "@trireme/proto/google/rpc/error_details";
import { Status } from "@trireme/proto/google/rpc/status";
import { describe, expect, it } from "vitest";
import { StatusError, errorFromCall, errorFromStatus, isBroken } from "./status-error.ts";

function failure(code: number, parts: Readonly<Record<string, Uint8Array>>) {
  const metadata = new Metadata();
  const details = Object.entries(parts).map(([name, value]) => ({
    typeUrl: `type.googleapis.com/google.rpc.${name}`,
    value: Buffer.from(value),
  }));
  const message = "what went wrong";
  if (details.length > 0) {
    metadata.set("grpc-status-details-bin", Buffer.from(Status.encode({ code, message, details }).finish()));
  }
  return { code, details: message, metadata };
}

const info = (reason: string): Uint8Array => ErrorInfo.encode({ reason, domain: "trireme.dev", metadata: {} }).finish();

describe("errorFromCall", () => {
  it("reads reason, fields, object and delay", () => {
    const violation = { field: "spec.replicas", description: "must be greater than 0", reason: "FieldValueInvalid" };
    const error = errorFromCall(
      failure(status.INVALID_ARGUMENT, {
        ErrorInfo: info("Invalid"),
        BadRequest: BadRequest.encode({ fieldViolations: [violation] }).finish(),
        ResourceInfo: ResourceInfo.encode({
          resourceType: "deployments.apps",
          resourceName: "web",
          owner: "",
          description: "",
        }).finish(),
        RetryInfo: RetryInfo.encode({ retryDelay: { seconds: 1n, nanos: 500_000_000 } }).finish(),
      }),
      "apply",
    );
    expect(error).toBeInstanceOf(StatusError);
    expect(error).toMatchObject({
      code: "Invalid",
      reason: "Invalid",
      message: "what went wrong",
      grpcCode: status.INVALID_ARGUMENT,
      answered: true,
      fields: [{ field: "spec.replicas", message: "must be greater than 0" }],
      resource: { type: "deployments.apps", name: "web" },
      retryAfterMs: 1500,
    });
    expect(error.details.causes).toMatchObject([{ field: "spec.replicas", reason: "FieldValueInvalid" }]);
  });

  it("makes the best of an error without details", () => {
    expect(errorFromCall(failure(status.DEADLINE_EXCEEDED, {}), "get pods x")).toMatchObject({
      code: "Timeout",
      message: "get pods x: what went wrong",
      answered: false,
    });
  });
});

describe("isBroken", () => {
  it("tells a broken connection from a refusal", () => {
    const broken = (code: number, parts: Readonly<Record<string, Uint8Array>> = {}): boolean =>
      isBroken(errorFromCall(failure(code, parts), "get"));
    expect(broken(status.UNAVAILABLE)).toBe(true);
    expect(broken(status.INTERNAL)).toBe(true);
    expect(broken(status.DEADLINE_EXCEEDED)).toBe(false);
    expect(broken(status.UNAVAILABLE, { ErrorInfo: info("ServiceUnavailable") })).toBe(true);
    expect(broken(status.INTERNAL, { ErrorInfo: info("InternalError") })).toBe(false);
    expect(broken(status.OUT_OF_RANGE, { ErrorInfo: info("Expired") })).toBe(false);
    expect(isBroken(errorFromStatus({ reason: "Expired", message: "too old", code: 410 }))).toBe(false);
  });
});
