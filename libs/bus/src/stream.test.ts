import { describe, expect, it } from "vitest";
import {
  ALL,
  type StreamMessage,
  StreamPublisher,
  actorSubject,
  acksOfNode,
  acksOfTopic,
  ackSubject,
  eventSubject,
  heartbeatCodec,
  heartbeatSubject,
  judgeStreamMessage,
  nodeOfSubject,
  nodePermissions,
  patternCovers,
  podsOnNodeSubject,
  streamCodec,
  subjectMatches,
} from "./index.ts";

describe("subjects", () => {
  it("are spelled as the other parts expect", () => {
    expect([
      eventSubject({ group: "", resource: "pods" }),
      eventSubject({ group: "discovery.k8s.io", resource: "endpointslices" }),
      podsOnNodeSubject("node1"),
      heartbeatSubject("a.b"),
      ackSubject("proxy", "n"),
      actorSubject("agent"),
    ]).toEqual([
      "tri.v1.event.pods",
      "tri.v1.event.endpointslices_discovery-k8s-io",
      "tri.v1.event.pods.on.node1",
      "tri.v1.heartbeat.a_b",
      "tri.v1.ack.proxy.n",
      "tri.v1.actor.agent",
    ]);
    expect(nodeOfSubject(heartbeatSubject("a.b-c"))).toBe("a.b-c");
  });

  it("refuse names that would change their meaning", () => {
    for (const name of ["*", ">", "a b", "", "a>b"]) expect(() => ackSubject(name, "n")).toThrow("part of a subject");
    for (const name of ["*", "n.>", "a_b", ""]) expect(() => podsOnNodeSubject(name)).toThrow();
  });

  it("match as NATS matches, and a node's permissions cover its own subjects alone", () => {
    expect(subjectMatches("a.*.c", "a.b.c")).toBe(true);
    expect(subjectMatches("a.>", "a")).toBe(false);
    expect(subjectMatches(ALL.events, "tri.v1.event.pods.on.n")).toBe(true);
    expect(patternCovers("a.*", "a.>")).toBe(false);
    expect(patternCovers("a.>", "a.*.c")).toBe(true);
    const { pub, sub } = nodePermissions("n1");
    const mayPublish = (subject: string): boolean => pub.some((pattern) => subjectMatches(pattern, subject));
    const mayHear = (subject: string): boolean => sub.some((pattern) => patternCovers(pattern, subject));
    expect(mayPublish(heartbeatSubject("n1")) && mayPublish(ackSubject("proxy", "n1"))).toBe(true);
    expect(mayPublish(heartbeatSubject("n2")) || mayPublish(acksOfNode("n2"))).toBe(false);
    expect(mayHear(podsOnNodeSubject("n1")) && mayHear(eventSubject({ group: "", resource: "services" }))).toBe(true);
    for (const resource of ["secrets", "configmaps", "pods"]) {
      expect(mayHear(eventSubject({ group: "", resource }))).toBe(false);
    }
    expect(mayHear(acksOfTopic("proxy"))).toBe(true);
    expect(mayHear(ALL.acks) || mayHear(ALL.heartbeats)).toBe(false);
    expect(mayHear(podsOnNodeSubject("n2")) || mayHear(ALL.events)).toBe(false);
  });
});

describe("codecs", () => {
  it("refuse what is not msgpack, not a map, of another version, or wrong in a field", () => {
    const good = { v: 1, node: "n", sequence: 1, startedAtMs: 5 } as const;
    expect(heartbeatCodec.decode(heartbeatCodec.encode(good))).toEqual(good);
    const bad = (value: object): Uint8Array => heartbeatCodec.encode(value as typeof good);
    expect(() => heartbeatCodec.decode(new Uint8Array([0x92]))).toThrow("not msgpack");
    expect(() => heartbeatCodec.decode(bad([1]))).toThrow("not a map");
    expect(() => heartbeatCodec.decode(bad({ ...good, v: 2 }))).toThrow("version 2");
    expect(() => heartbeatCodec.decode(bad({ ...good, sequence: -1 }))).toThrow("sequence is a count");
    expect(() => streamCodec.decode(bad({ v: 1, kind: "event", epoch: "1", seq: 1, revision: 1, type: "X" }))).toThrow(
      "type is ADDED",
    );
  });
});

describe("StreamPublisher", () => {
  function publisher() {
    const sent: StreamMessage[] = [];
    const out = new StreamPublisher({ epoch: "7", publish: (_, bytes) => sent.push(streamCodec.decode(bytes)) });
    return { sent, out };
  }
  const object = (kind: string, size = 1) => ({ kind, metadata: { name: "a" }, data: "x".repeat(size) });

  it("numbers each stream densely and says in bookmarks how far it is", () => {
    const { sent, out } = publisher();
    out.open("s", 10);
    out.event("s", { revision: 11, type: "ADDED", key: "ns/a", object: object("Pod") });
    out.event("s", { revision: 11, type: "ADDED", key: "ns/b", object: object("Pod") });
    out.open("other", 11);
    out.event("s", { revision: 13, type: "DELETED", key: "ns/a" });
    sent.length = 0;
    out.bookmarks(20);
    expect(sent).toEqual([
      { v: 1, kind: "bookmark", epoch: "7", seq: 3, revision: 13, atRevision: 1, through: 20 },
      { v: 1, kind: "bookmark", epoch: "7", seq: 0, revision: 11, through: 20 },
    ]);
  });

  it("leaves out Secrets and large objects, and refuses revisions that go back", () => {
    const { sent, out } = publisher();
    out.open("s", 0);
    sent.length = 0;
    out.event("s", { revision: 1, type: "ADDED", key: "ns/a", object: object("Secret") });
    out.event("s", { revision: 2, type: "ADDED", key: "ns/a", object: object("Pod", 70_000) });
    out.event("s", { revision: 3, type: "ADDED", key: "ns/a", object: object("Pod", 60_000) });
    expect(sent.map((m) => m.kind === "event" && m.object !== undefined)).toEqual([false, false, true]);
    expect(() => out.event("s", { revision: 2, type: "ADDED", key: "ns/a" })).toThrow("do not go back");
  });
});

describe("judgeStreamMessage", () => {
  const at = { epoch: "s1-7-1", seq: 5 };
  const message = (kind: "event" | "bookmark", seq: number, epoch = at.epoch): StreamMessage =>
    ({ v: 1, kind, epoch, seq, revision: 1, type: "ADDED", key: "/a" }) as StreamMessage;

  it("tells the next event from doubled, late and lost ones", () => {
    const verdicts = (kind: "event" | "bookmark") =>
      [4, 5, 6, 7].map((seq) => judgeStreamMessage(at, message(kind, seq)));
    expect(verdicts("event")).toEqual(["old", "old", "next", "gap"]);
    expect(verdicts("bookmark")).toEqual(["old", "current", "gap", "gap"]);
  });

  it("ignores a relay that was replaced and notices its successor", () => {
    const of = (epoch: string) => judgeStreamMessage(at, message("event", 6, epoch));
    expect(["s2-6-9", "s2-7-0", "s2-8-1", "s1-7-2", "x"].map(of)).toEqual(["old", "old", "epoch", "epoch", "epoch"]);
    expect(judgeStreamMessage({ epoch: "90", seq: 1 }, message("event", 2, "100"))).toBe("epoch");
  });
});
