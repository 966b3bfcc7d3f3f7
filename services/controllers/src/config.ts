import { type ConfigOf, flag } from "@trireme/config";

/** The controllers' settings. */
export const controllersFlags = {
  name: flag.string({ help: "This server's name: who stands for election." }),
  pkiDir: flag.string({ help: "Folder of certificates, keys and bus credentials." }),
  apiServers: flag.hostPorts({ help: "REST addresses of all servers." }),
  serversFile: flag.string({
    help: "Where the newest list of servers is kept, which a start prefers to the flags.",
    optional: true,
  }),
  natsUrls: flag.hostPorts({
    help: "The bus, own server first; none: everything is watched through the API.",
    default: [],
  }),
  serviceCidr: flag.string({ help: "Addresses of Services; the tenth is the cluster DNS'.", default: "10.96.0.0/16" }),
  defaultTolerationSeconds: flag.int({
    help: "How long a pod that does not say stays on a node that is not ready or not reachable.",
    default: 5,
  }),
};

/** Parsed settings. */
export type ControllersConfig = ConfigOf<typeof controllersFlags>;
