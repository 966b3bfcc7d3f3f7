import type { DeleteRangeRequest, PutRequest, TxnRequest } from "@trireme/proto/etcdserverpb/rpc";
import { describe, expect, it } from "vitest";
import type { Request } from "../apply/command.ts";
import { checkWrite, roleOf } from "./access.ts";

const put = (key: string): PutRequest => ({
  key: Buffer.from(key),
  value: Buffer.alloc(0),
  lease: 0n,
  prevKv: false,
  ignoreValue: false,
  ignoreLease: false,
});
const range = (key: string, rangeEnd: string): DeleteRangeRequest => ({
  key: Buffer.from(key),
  rangeEnd: Buffer.from(rangeEnd),
  prevKv: false,
});
const allowed = (request: Request): boolean => {
  try {
    checkWrite("operator", request);
    return true;
  } catch {
    return false;
  }
};

describe("an operator", () => {
  it("writes outside the API's keys only, however the range or transaction is cut", () => {
    const nested: TxnRequest = {
      compare: [],
      success: [],
      failure: [{ request: { $case: "requestPut", value: put("/registry/x") } }],
    };
    const txn: TxnRequest = {
      compare: [],
      success: [{ request: { $case: "requestTxn", value: nested } }],
      failure: [],
    };
    expect(allowed({ $case: "put", value: put("/registryx") })).toBe(true);
    expect(allowed({ $case: "put", value: put("/registry/") })).toBe(false);
    for (const [from, end, ok] of [
      ["/registry/a", "", false],
      ["/", "0", false],
      ["/registry.", "/registry/", true],
      ["/registry0", "\0", true],
      ["a", "b", true],
      ["\0", "\0", false],
      ["/r", "/registry/a", false],
    ] as const) {
      expect(allowed({ $case: "deleteRange", value: range(from, end) }), `${from}..${end}`).toBe(ok);
    }
    expect(allowed({ $case: "txn", value: txn })).toBe(false);
    expect(() => checkWrite("apiserver", { $case: "txn", value: txn })).not.toThrow();
  });

  it("is known by its organisation; any other certificate is nobody", () => {
    const caller = (O: unknown) =>
      ({ getAuthContext: () => ({ sslPeerCertificate: { subject: { O } } }) }) as unknown as Parameters<
        typeof roleOf
      >[0];
    expect(roleOf(caller("trireme:operators"))).toBe("operator");
    expect(roleOf(caller(["x", "trireme:apiservers"]))).toBe("apiserver");
    expect(() => roleOf(caller("system:masters"))).toThrow("permission denied");
    expect(() => roleOf({ getAuthContext: () => null })).toThrow("permission denied");
  });
});
