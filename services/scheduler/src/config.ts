import { type ConfigOf, flag } from "@trireme/config";

/** The scheduler's settings. */
export const schedulerFlags = {
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
};

/** Parsed settings. */
export type SchedulerConfig = ConfigOf<typeof schedulerFlags>;
