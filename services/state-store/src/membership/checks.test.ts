import { describe, expect, it } from "vitest";
import { type MembershipView, checkAdd, checkPromote, checkRemove, checkUpdate } from "./checks.ts";

/*
 * Members by one letter each: v a voter that runs, d a voter that is down, f a voter that was connected a moment ago only
 * (flapping), u a voter that has never started, l a learner that runs, b a learner that is behind. The first is the leader.
 */
function view(members: string): MembershipView {
  const all = members.split("").map((kind, at) => ({ id: BigInt(at + 1), kind }));
  const kindOf = (id: bigint): string => all[Number(id) - 1]!.kind;
  const isLearner = (kind: string): boolean => kind === "l" || kind === "b";
  return {
    self: 1n,
    conf: {
      voters: all.filter(({ kind }) => !isLearner(kind)).map(({ id }) => id),
      learners: all.filter(({ kind }) => isLearner(kind)).map(({ id }) => id),
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    },
    members: all.map(({ id, kind }) => ({
      id,
      name: kind === "u" ? "" : `m${id}`,
      peerUrls: [`https://m${id}:2380`],
      clientUrls: [],
    })),
    isHealthy: (id) => kindOf(id) === "v",
    isConnected: (id) => !"du".includes(kindOf(id)),
    matchOf: (id) => (kindOf(id) === "b" ? 89 : 90),
    lastIndex: 100,
  };
}

const NEW = ["https://new:2380"];
const said = (run: () => void): string => {
  try {
    run();
    return "ok";
  } catch (error) {
    return (error as Error).message.replace("etcdserver: ", "");
  }
};
const UNHEALTHY = "unhealthy cluster";
const UNSTARTED = "re-configuration failed due to not enough started members";

describe("a voter is added", () => {
  it.each([
    ["v", "ok"],
    ["vv", "ok"],
    ["vvv", "ok"],
    ["vvd", UNHEALTHY],
    ["vvf", UNHEALTHY],
    // One that never started is waited for first; a single survivor gets its second member all the same.
    ["vvu", UNSTARTED],
    ["vu", UNSTARTED],
    ["vuu", UNSTARTED],
    ["vvuu", UNSTARTED],
    ["vvvl", "ok"],
  ])("to %s: %s", (members, expected) => {
    expect(said(() => checkAdd(view(members), NEW, false))).toBe(expected);
  });
});

describe("a learner is added", () => {
  it.each([
    ["v", "ok"],
    ["vvv", "ok"],
    ["vvd", UNHEALTHY],
    ["vvvl", "too many learner members in cluster"],
  ])("to %s: %s", (members, expected) => {
    expect(said(() => checkAdd(view(members), NEW, true))).toBe(expected);
  });
});

describe("the last member is removed", () => {
  it.each([
    ["v", UNSTARTED],
    ["vv", "ok"],
    ["vd", "ok"],
    ["vvv", "ok"],
    // The dead one may go, but none of the two that are the quorum.
    ["vvd", "ok"],
    ["vdv", UNHEALTHY],
    ["vfv", UNHEALTHY],
    ["vuv", UNSTARTED],
    ["vvdvv", "ok"],
    ["vddvv", UNHEALTHY],
    ["vvl", "ok"],
    ["vdl", "ok"],
  ])("of %s: %s", (members, expected) => {
    expect(said(() => checkRemove(view(members), BigInt(members.length)))).toBe(expected);
  });

  it("only if it is there", () => {
    expect(said(() => checkRemove(view("vvv"), 9n))).toBe("member not found");
  });
});

describe("the last member is promoted", () => {
  it.each([
    ["vl", "ok"],
    ["vvvl", "ok"],
    ["vb", "can only promote a learner member which is in sync with leader"],
    ["vv", "can only promote a learner member"],
    ["vuul", UNSTARTED],
  ])("of %s: %s", (members, expected) => {
    expect(said(() => checkPromote(view(members), BigInt(members.length)))).toBe(expected);
  });
});

describe("addresses", () => {
  it("are https, HOST:PORT, and one member's own", () => {
    const add = (...urls: string[]): string => said(() => checkAdd(view("vvv"), urls, false));
    for (const good of ["https://10.0.0.1:2380", "https://a-b.example:1", "https://[::1]:2380"]) {
      expect(add(good), good).toBe("ok");
    }
    for (const bad of [
      "",
      "http://a:2380",
      "a:2380",
      "https://a",
      "https://a:2380/x",
      "https://u@a:2380",
      "https://a b:1",
    ]) {
      expect(add(bad), bad).toBe("given member URLs are invalid");
    }
    expect(add()).toBe("given member URLs are invalid");
    expect(add("https://m2:2380")).toBe("Peer URLs already exists");
    expect(said(() => checkUpdate(view("vvv"), 2n, ["https://m2:2380"]))).toBe("ok");
    expect(said(() => checkUpdate(view("vvv"), 2n, ["https://m3:2380"]))).toBe("Peer URLs already exists");
    expect(said(() => checkUpdate(view("vvv"), 9n, NEW))).toBe("member not found");
  });
});
