import { readFileSync } from "node:fs";
import { systemClock } from "@trireme/base";
import { type ApiClient, type ServerSwitch, createApiClient } from "@trireme/client";
import { ServerDirectory } from "@trireme/controller";
import { silentLogger } from "@trireme/telemetry";
import { parse } from "yaml";
import type { Any } from "./cluster.ts";

export interface FollowingClient {
  readonly client: ApiClient & ServerSwitch;
  close(): void;
}

/** The client of a kubeconfig's user, which follows the list of servers as every part of ours does. */
export function followingClient(kubeconfig: string): FollowingClient {
  const config = parse(readFileSync(kubeconfig, "utf8")) as Any;
  const decode = (text: string): Buffer => Buffer.from(text, "base64");
  const user = config.users[0].user;
  const servers = [new URL(config.clusters[0].cluster.server).host];
  const client = createApiClient({
    servers,
    ca: decode(config.clusters[0].cluster["certificate-authority-data"]),
    cert: decode(user["client-certificate-data"]),
    key: decode(user["client-key-data"]),
    userAgent: "test",
  });
  const directory = new ServerDirectory({ apiServers: servers, natsUrls: [], log: silentLogger });
  directory.tell(client, servers);
  const stopLooking = directory.look(client, systemClock);
  return {
    client,
    close() {
      stopLooking();
      client.close();
    },
  };
}
