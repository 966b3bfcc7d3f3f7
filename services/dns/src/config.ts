import { flag } from "@trireme/config";
import type { ConfigOf } from "@trireme/config";

/** The DNS server's settings. */
export const dnsFlags = {
  name: flag.string({ help: "The node's name." }),
  address: flag.string({ help: "The address to serve on." }),
  pkiDir: flag.string({ help: "Where ca.crt, dns.crt, dns.key and nats-creds/dns.json are." }),
  apiServers: flag.hostPorts({ help: "Every apiserver." }),
  natsUrls: flag.hostPorts({ help: "Every NATS server.", default: [] }),
  serversFile: flag.string({
    help: "Where the newest list of servers is kept, which a start prefers to the flags.",
    optional: true,
  }),
  clusterDnsDomain: flag.string({ help: "The domain of Services.", default: "cluster.local" }),
  port: flag.int({ help: "Port of the DNS, UDP and TCP.", default: 53, min: 1, max: 65_535 }),
  metricsPort: flag.int({ help: "Port of /healthz and /metrics.", default: 9153, min: 1, max: 65_535 }),
} as const;

/** The parsed settings. */
export type DnsConfig = ConfigOf<typeof dnsFlags>;
