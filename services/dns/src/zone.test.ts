import type { EndpointSlice, Service } from "@trireme/api";
import { decode, encode } from "dns-packet";
import { describe, expect, it } from "vitest";
import { encodeUdp, readQuery, writeAnswer } from "./message.ts";
import { nameserversOf } from "./upstream.ts";
import { answer, buildZone } from "./zone.ts";

const service = (name: string, spec: Partial<Service["spec"]>): Service => ({
  metadata: { name, namespace: "default" },
  spec: { clusterIP: "10.96.0.10", ports: [{ name: "http", port: 80, protocol: "TCP" }], ...spec },
});
const slice = (name: string, endpoints: NonNullable<EndpointSlice["endpoints"]>): EndpointSlice => ({
  metadata: { name: `${name}-x`, namespace: "default", labels: { "kubernetes.io/service-name": name } },
  addressType: "IPv4",
  endpoints,
  ports: [{ name: "http", port: 8080, protocol: "TCP" }],
});

const zone = buildZone(
  "cluster.local",
  [
    service("web", {}),
    service("db", { clusterIP: "None" }),
    service("empty", { clusterIP: "None" }),
    service("out", { type: "ExternalName", clusterIP: "", externalName: "example.org" }),
  ],
  [
    slice("web", [{ addresses: ["10.244.1.9"], conditions: { ready: true } }]),
    slice("db", [
      { addresses: ["10.244.1.2"], hostname: "db-0", conditions: { ready: true } },
      { addresses: ["10.244.1.3"], conditions: { ready: true } },
      { addresses: ["10.244.1.4"], conditions: { ready: false } },
    ]),
  ],
  7,
);

/** The answer in a few words: kind, or the records' data. */
function ask(name: string, type = "A"): string {
  const said = answer(zone, { name, type });
  if (said.kind !== "answer") return said.kind;
  return said.records
    .map((r) => (r.type === "SRV" ? `${r.data.port} ${r.data.target}` : r.type === "SOA" ? r.data.mname : r.data))
    .join(", ");
}

describe("zone", () => {
  it.each([
    ["web.default.svc.cluster.local", "A", "10.96.0.10"],
    ["WEB.Default.svc.cluster.local.", "A", "10.96.0.10"],
    ["web.default.svc.cluster.local", "AAAA", "nodata"],
    ["db.default.svc.cluster.local", "A", "10.244.1.2, 10.244.1.3"],
    ["db-0.db.default.svc.cluster.local", "A", "10.244.1.2"],
    ["10-244-1-3.db.default.svc.cluster.local", "A", "10.244.1.3"],
    ["10-244-1-4.db.default.svc.cluster.local", "A", "nxdomain"],
    ["empty.default.svc.cluster.local", "A", "nodata"],
    ["out.default.svc.cluster.local", "A", "example.org"],
    ["_http._tcp.web.default.svc.cluster.local", "SRV", "80 web.default.svc.cluster.local"],
    [
      "_http._tcp.db.default.svc.cluster.local",
      "SRV",
      "8080 db-0.db.default.svc.cluster.local, 8080 10-244-1-3.db.default.svc.cluster.local",
    ],
    ["_grpc._tcp.web.default.svc.cluster.local", "SRV", "nxdomain"],
    ["10-244-1-2.default.pod.cluster.local", "A", "10.244.1.2"],
    ["nope.default.svc.cluster.local", "A", "nxdomain"],
    ["web.nowhere.svc.cluster.local", "A", "nxdomain"],
    ["default.svc.cluster.local", "A", "nodata"],
    ["svc.cluster.local", "A", "nodata"],
    ["cluster.local", "SOA", "ns.dns.cluster.local"],
    ["other.cluster.local", "A", "nxdomain"],
    ["example.org", "A", "elsewhere"],
    ["notcluster.local", "A", "elsewhere"],
    ["10.0.96.10.in-addr.arpa", "PTR", "web.default.svc.cluster.local"],
    ["10.0.96.10.in-addr.arpa", "A", "nodata"],
    ["8.8.8.8.in-addr.arpa", "PTR", "elsewhere"],
    ["2.1.244.10.in-addr.arpa", "PTR", "db-0.db.default.svc.cluster.local"],
  ])("%s %s: %s", (name, type, expected) => {
    expect(ask(name, type)).toBe(expected);
  });

  it("names the zone in negative answers", () => {
    const said = answer(zone, { name: "nope.default.svc.cluster.local", type: "A" });
    expect(said.kind === "nxdomain" && said.soa).toMatchObject({ name: "cluster.local", ttl: 5, data: { serial: 7 } });
  });
});

describe("messages", () => {
  const query = (name: string, edns?: number) =>
    readQuery(
      encode({
        type: "query",
        id: 9,
        flags: 256,
        questions: [{ name, type: "A" }],
        ...(edns === undefined
          ? {}
          : {
              additionals: [
                {
                  type: "OPT",
                  name: ".",
                  udpPayloadSize: edns,
                  extendedRcode: 0,
                  ednsVersion: 0,
                  flags: 0,
                  flag_do: false,
                  options: [],
                },
              ],
            }),
      }),
    )!;

  it("echo the question, set the code and turn the records", () => {
    const asked = query("db.default.svc.cluster.local");
    const said = answer(zone, asked.question);
    const packet = decode(encodeUdp(writeAnswer(asked, said as never, 1), asked.maxBytes));
    expect([packet.id, packet.flags! & 15, packet.flag_aa, packet.flag_rd, packet.flag_ra]).toEqual([
      9,
      0,
      true,
      true,
      true,
    ]);
    expect(packet.answers?.map((a) => "data" in a && a.data)).toEqual(["10.244.1.3", "10.244.1.2"]);
    const missing = query("nope.default.svc.cluster.local");
    const negative = decode(encodeUdp(writeAnswer(missing, answer(zone, missing.question) as never, 0), 512));
    expect([negative.flags! & 15, negative.authorities?.[0]?.type]).toEqual([3, "SOA"]);
  });

  it("cut what does not fit and say so", () => {
    const many = Array.from({ length: 100 }, (_, n) => ({ addresses: [`10.244.2.${n}`], conditions: { ready: true } }));
    const big = buildZone("cluster.local", [service("many", { clusterIP: "None" })], [slice("many", many)], 1);
    for (const edns of [undefined, 4096]) {
      const asked = query("many.default.svc.cluster.local", edns);
      const bytes = encodeUdp(writeAnswer(asked, answer(big, asked.question) as never, 0), asked.maxBytes);
      expect(bytes.length).toBeLessThanOrEqual(edns === undefined ? 512 : 1232);
      const packet = decode(bytes);
      expect(packet.flag_tc).toBe(true);
      expect(packet.answers!.length).toBeGreaterThan(5);
    }
  });

  it("do not answer garbage or responses", () => {
    expect(readQuery(Buffer.from("nonsense"))).toBeUndefined();
    expect(readQuery(encode({ type: "response", id: 1, questions: [{ name: "a", type: "A" }] }))).toBeUndefined();
  });
});

describe("nameserversOf", () => {
  it("leaves ourselves and what is no IPv4 address out", () => {
    const text = "# x\nnameserver 10.0.0.1\nnameserver 1.1.1.1\nnameserver ::1\nsearch a\n";
    expect(nameserversOf(text, ["10.0.0.1"])).toEqual(["1.1.1.1"]);
  });
});
