import { describe, expect, it } from "vitest";
import { type JoiningMember, type Member, decideMember } from "./decide-member.ts";

const one: Member = { id: 1n, name: "server1", peerUrl: "https://10.0.0.1:2380", isLearner: false };
const two: Member = { id: 2n, name: "server2", peerUrl: "https://10.0.0.2:2380", isLearner: false };
const self: JoiningMember = { name: "server2", peerUrl: "https://10.0.0.2:2380", hasLog: false };
const added: Member = { id: 2n, name: "", peerUrl: self.peerUrl, isLearner: true };

describe("a server that joins", () => {
  it("is added, started, promoted, and then is done", () => {
    expect(decideMember([one], self, false)).toEqual({ step: "add" });
    expect(decideMember([one, added], self, false)).toEqual({ step: "start" });
    const started = { ...added, name: "server2" };
    expect(decideMember([one, started], { ...self, hasLog: true }, true)).toEqual({ step: "promote", id: 2n });
    expect(decideMember([one, two], { ...self, hasLog: true }, true)).toEqual({ step: "done" });
  });

  it("goes on where it broke off", () => {
    const started = { ...added, name: "server2" };
    expect(decideMember([one, started], { ...self, hasLog: true }, false)).toEqual({ step: "start" });
    expect(decideMember([one, two], { ...self, hasLog: true }, false)).toEqual({ step: "start" });
  });

  it("removes the dead server whose place it takes first, at the same address too", () => {
    const four = { name: "server4", peerUrl: "https://10.0.0.4:2380", hasLog: false, replace: "server2" };
    expect(decideMember([one, two], four, false)).toMatchObject({ step: "remove", id: 2n });
    expect(decideMember([one], four, false)).toEqual({ step: "add" });
    expect(decideMember([one, two], { ...self, replace: "server2" }, false)).toMatchObject({ step: "remove", id: 2n });
    // Its own new life is not the dead one.
    const born = { ...self, replace: "server2", hasLog: true };
    expect(decideMember([one, two], born, true)).toEqual({ step: "done" });
  });

  it("says what to do when its disk is gone, or when it was removed", () => {
    expect(() => decideMember([one, two], self, false)).toThrow("join with --replace server2");
    expect(() => decideMember([one], { ...self, hasLog: true }, false)).toThrow("empty its data directory");
  });
});
