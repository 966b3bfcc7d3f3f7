import { describe, expect, it } from "vitest";
import { exitCodeOf } from "./pod-channel.ts";

describe("exitCodeOf", () => {
  it("reads how a command ended", () => {
    const causes = [{ reason: "ExitCode", message: "7" }];
    expect(exitCodeOf(JSON.stringify({ status: "Success" }))).toBe(0);
    expect(exitCodeOf(JSON.stringify({ status: "Failure", reason: "NonZeroExitCode", details: { causes } }))).toBe(7);
  });

  it("tells a command that never ran from one that failed", () => {
    const status = { status: "Failure", reason: "InternalError", message: 'exec: "no": executable file not found' };
    expect(() => exitCodeOf(JSON.stringify(status))).toThrow("executable file not found");
    expect(() => exitCodeOf("not a Status")).toThrow("the container runtime said: not a Status");
  });
});
