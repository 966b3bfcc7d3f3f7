/** Goal: each part speaks for itself alone, whatever its owner tries with its credential (A23). Method: the rules, and a real server. */
import { type NatsCluster, startNatsCluster } from "@trireme/testkit";
import { type NatsConnection, connect } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ackSubject,
  actorSubject,
  controllersPermissions,
  dnsPermissions,
  eventSubject,
  heartbeatSubject,
  nodePermissions,
  podsOnNodeSubject,
  relayPermissions,
  sampleSubject,
  schedulerPermissions,
  subjectMatches,
} from "./index.ts";
import { NATS_TLS_NAME } from "./nats-bus.ts";
import { publicKeyOfSeed, signWithSeed } from "./nkeys.ts";

const core = (resource: string): string => eventSubject({ group: "", resource });
const ofNode = (node: string): string[] => [heartbeatSubject(node), sampleSubject(node), ackSubject("proxy", node)];
const SUBJECTS = [
  ...["pods", "services", "nodes", "secrets"].map(core),
  ...["n1", "n2"].flatMap((node) => [podsOnNodeSubject(node), ...ofNode(node)]),
  actorSubject("controllers"),
  actorSubject("agent"),
  "_INBOX.x",
  "$SYS.REQ.SERVER.PING",
];
const among = (patterns: readonly string[]): string[] =>
  SUBJECTS.filter((subject) => patterns.some((pattern) => subjectMatches(pattern, subject))).toSorted();

describe("the permissions of each part", () => {
  it.each([
    ["a node", nodePermissions("n1"), ofNode("n1")],
    ["the DNS", dnsPermissions(), []],
    ["the scheduler", schedulerPermissions(), []],
    ["the controllers", controllersPermissions(), [actorSubject("controllers")]],
    ["the relay", relayPermissions(), SUBJECTS.filter((one) => one.startsWith("tri.v1.event."))],
  ])("let %s speak for itself alone", (_, { pub }, own) => {
    expect(among(pub)).toEqual(own.toSorted());
  });

  it("let the scheduler hear what it decides by, and nobody Secrets but who collects garbage", () => {
    expect(among(schedulerPermissions().sub)).toEqual([core("nodes"), core("pods")]);
    const hears = [nodePermissions("n1"), dnsPermissions(), schedulerPermissions(), relayPermissions()];
    for (const { sub } of hears) expect(among(sub)).not.toContain(core("secrets"));
  });
});

describe("a stolen node's credential at a real server", () => {
  let nats: NatsCluster;
  let thief: NatsConnection;
  const refused: string[] = [];

  beforeAll(async () => {
    nats = await startNatsCluster(1, 24_200);
    const { jwt, seed } = nats.credentials(nodePermissions("n1"));
    thief = await connect({
      servers: [...nats.servers],
      authenticator: (nonce) => ({
        jwt,
        nkey: publicKeyOfSeed(seed),
        sig: signWithSeed(seed, Buffer.from(nonce ?? "")).toString("base64url"),
      }),
      // The library hands these options to node's tls, its own type only lacks the name.
      tls: { ...nats.tls, servername: NATS_TLS_NAME } as object,
      reconnect: false,
    });
    void (async () => {
      for await (const status of thief.status()) {
        const context = status.permissionContext;
        if (context !== undefined) refused.push(`${context.operation} ${context.subject}`);
      }
    })();
  });
  afterAll(async () => {
    await thief.close();
    await nats.stop();
  });

  it("is refused every subject that is not its own, and nothing of it arrives", async () => {
    const all = nats.connect({ pub: [">"], sub: [">"] });
    const arrived: string[] = [];
    all.subscribe("tri.v1.>", (_, subject) => arrived.push(subject));
    all.subscribe("_INBOX.>", (_, subject) => arrived.push(subject));
    await expect.poll(() => all.status()).toBe("connected");
    await all.flush();
    const foreign = SUBJECTS.filter((subject) => !ofNode("n1").includes(subject));
    for (const subject of [...foreign, "tri.v1.>", ">"]) thief.publish(subject, "forged");
    const streams = [">", "tri.v1.>", "_INBOX.>", podsOnNodeSubject("n2"), core("secrets"), core("configmaps")];
    for (const subject of streams) thief.subscribe(subject, { callback: () => undefined });
    thief.publish(heartbeatSubject("n1"), "own");
    await thief.flush();
    await expect.poll(() => arrived.includes(heartbeatSubject("n1"))).toBe(true);
    expect(arrived).toEqual([heartbeatSubject("n1")]);
    await expect
      .poll(() => refused.filter((one) => one.startsWith("publish")).toSorted())
      .toEqual([...foreign, "tri.v1.>", ">"].map((subject) => `publish ${subject}`).toSorted());
    await expect
      .poll(() => new Set(refused.filter((one) => one.startsWith("subscription"))))
      .toEqual(new Set(streams.map((subject) => `subscription ${subject}`)));
    await all.close();
  });

  it("makes nobody answer where it says: a reply subject is not looked at", async () => {
    const victim = nats.connect({ pub: [">"], sub: [">"] });
    const arrived: string[] = [];
    victim.subscribe(heartbeatSubject("n1"), () => arrived.push("heartbeat"));
    victim.subscribe(heartbeatSubject("n2"), () => arrived.push("answer"));
    await expect.poll(() => victim.status()).toBe("connected");
    await victim.flush();
    thief.publish(heartbeatSubject("n1"), "own", { reply: heartbeatSubject("n2") });
    await thief.flush();
    await expect.poll(() => arrived.length).toBeGreaterThan(0);
    await victim.flush();
    expect(arrived).toEqual(["heartbeat"]);
    // A request needs an inbox to hear the answer in, and that it may not have either.
    await expect(thief.request(heartbeatSubject("n1"), "", { timeout: 500 })).rejects.toThrow();
    await victim.close();
  });
});
