import type { Registry } from "@trireme/telemetry";
import type { Query } from "./message.ts";

const RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
/** Types that get a label of their own; others are counted together, so that clients cannot invent series. */
const TYPES = new Set(["A", "AAAA", "SRV", "PTR", "SOA", "NS", "TXT", "CNAME", "MX", "HTTPS"]);

/** CoreDNS' metrics, under its names, so that its dashboards work. */
export interface DnsMetrics {
  observe(query: Query, protocol: "udp" | "tcp", code: number, milliseconds: number, bytes: number): void;
  /** The size of a question, as it came. */
  asked(protocol: "udp" | "tcp", bytes: number): void;
  /** A question that went to a server outside the cluster; `code` is that of its answer, undefined without one. */
  forwarded(milliseconds: number, code: number | undefined): void;
}

/** Registers the metrics of one server. */
export function dnsMetrics(registry: Registry, server: string, domain: string): DnsMetrics {
  const labels = ["server", "zone", "proto"] as const;
  const requests = registry.counter("coredns_dns_requests_total", "Questions.", [...labels, "family", "type"]);
  const responses = registry.counter("coredns_dns_responses_total", "Answers.", ["server", "zone", "rcode"]);
  const duration = registry.histogram("coredns_dns_request_duration_seconds", "Time to an answer.", ["server", "zone"]);
  const sizes = [64, 128, 256, 512, 1024, 2048, 4096, 16_384, 65_536];
  const size = registry.histogram("coredns_dns_response_size_bytes", "Sizes of answers.", labels, sizes);
  const asked = registry.histogram("coredns_dns_request_size_bytes", "Sizes of questions.", labels, sizes);
  const proxied = registry.histogram(
    "coredns_proxy_request_duration_seconds",
    "Time to the answer of a server outside the cluster.",
    ["proxy_name", "rcode"] as const,
  );
  return {
    asked: (proto, bytes) => asked.observe(bytes, { server, zone: ".", proto }),
    forwarded(milliseconds, code) {
      const rcode = code === undefined ? "none" : (RCODES[code] ?? "other");
      proxied.observe(milliseconds / 1000, { proxy_name: "forward", rcode });
    },
    observe(query, proto, code, milliseconds, bytes) {
      const zone = query.question.name.toLowerCase().endsWith(domain) ? `${domain}.` : ".";
      const type = TYPES.has(query.question.type) ? query.question.type : "other";
      requests.inc({ server, zone, proto, family: 1, type });
      responses.inc({ server, zone, rcode: RCODES[code] ?? "other" });
      duration.observe(milliseconds / 1000, { server, zone });
      size.observe(bytes, { server, zone, proto });
    },
  };
}
