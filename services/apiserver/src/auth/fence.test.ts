import { describe, expect, it } from "vitest";
import { callerNamed } from "../fixture.ts";
import { checkFenceIdentity, electionOfLease, parseFence } from "./fence.ts";

const admin = callerNamed("admin", "system:masters").user;
const scheduler = callerNamed("system:kube-scheduler").user;

describe("fences", () => {
  it("are read from the header, or refused", () => {
    expect(parseFence("scheduler=12")).toEqual({ election: "scheduler", revision: 12 });
    expect(parseFence(undefined)).toBeUndefined();
    for (const bad of ["scheduler", "scheduler=", "=1", "scheduler=0", "a=1b", "a=99999999999999999"]) {
      expect(() => parseFence(bad)).toThrow("Trireme-Fence");
    }
  });

  it("belong to one identity each", () => {
    expect(() => checkFenceIdentity(scheduler, { election: "scheduler", revision: 1 })).not.toThrow();
    expect(() => checkFenceIdentity(admin, { election: "scheduler", revision: 1 })).toThrow("may not use the fence");
    expect(() => checkFenceIdentity(scheduler, { election: "unheard", revision: 1 })).toThrow("may not use the fence");
  });

  it("stand behind Leases of one name pattern in one namespace", () => {
    expect(electionOfLease("kube-system", "trireme-relay")).toBe("relay");
    expect(electionOfLease("default", "trireme-relay")).toBeUndefined();
    expect(electionOfLease("kube-system", "other")).toBeUndefined();
  });
});
