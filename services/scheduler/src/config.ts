import { type ConfigOf, flag } from "@trireme/config";

const ignored = { help: "Taken so that one command line serves all parts of a server; not used here." };

/** The scheduler's settings; a server gives all its parts the same command line. */
export const schedulerFlags = {
  name: flag.string({ help: "This server's name: who stands for election." }),
  pkiDir: flag.string({ help: "Folder of certificates, keys and bus credentials." }),
  apiServers: flag.hostPorts({ help: "REST addresses of all servers." }),
  natsUrls: flag.hostPorts({
    help: "The bus, own server first; none: everything is watched through the API.",
    default: [],
  }),
  address: flag.string({ ...ignored, optional: true }),
  storeEndpoints: flag.hostPorts({ ...ignored, default: [] }),
  serviceCidr: flag.string({ ...ignored, optional: true }),
  podCidr: flag.string({ ...ignored, optional: true }),
  nodePortRange: flag.string({ ...ignored, optional: true }),
  clusterName: flag.string({ ...ignored, optional: true }),
  workerDir: flag.string({ ...ignored, optional: true }),
  restPort: flag.int({ ...ignored, optional: true }),
  grpcPort: flag.int({ ...ignored, optional: true }),
  metricsPort: flag.int({ ...ignored, optional: true }),
};

/** Parsed settings. */
export type SchedulerConfig = ConfigOf<typeof schedulerFlags>;
