import { type ConfigOf, flag } from "@trireme/config";

/** The apiserver's settings; `control` takes the same and adds its own. */
export const apiserverFlags = {
  name: flag.string({ help: "This server's name, unique in the cluster." }),
  address: flag.string({ help: "The address to listen on, and by which others reach this server." }),
  pkiDir: flag.string({ help: "Folder of certificates and keys." }),
  storeEndpoints: flag.hostPorts({ help: "The store's client addresses, own server first." }),
  apiServers: flag.hostPorts({
    help: "REST addresses of all servers; they become the endpoints of Service kubernetes.",
  }),
  natsUrls: flag.hostPorts({ help: "The bus, own server first; none: events are not published.", default: [] }),
  serversFile: flag.string({
    help: "Where the newest list of servers is kept, which a start prefers to the flags.",
    optional: true,
  }),
  serviceCidr: flag.string({ help: "Addresses of Services.", default: "10.96.0.0/16" }),
  podCidr: flag.string({ help: "Addresses of pods; each node gets a /24 of it.", default: "10.244.0.0/16" }),
  nodePortRange: flag.string({
    help: "Ports of Services on nodes.",
    default: "30000-32767",
    pattern: /^[0-9]{1,5}-[0-9]{1,5}$/,
    patternHelp: "a range of ports such as 30000-32767",
  }),
  clusterName: flag.string({ help: "The cluster's name.", default: "local" }),
  restPort: flag.int({ help: "Port of the Kubernetes REST API.", default: 6443, min: 1, max: 65_535 }),
  grpcPort: flag.int({ help: "Port of the gRPC API.", default: 6444, min: 1, max: 65_535 }),
  metricsPort: flag.int({ help: "Port of metrics and health.", default: 6445, min: 1, max: 65_535 }),
};

/** Parsed settings. */
export type ApiserverConfig = ConfigOf<typeof apiserverFlags>;
