import { existsSync, readFileSync } from "node:fs";
import type { EndpointSlice } from "@trireme/api";
import { type Clock, errorFrom } from "@trireme/base";
import { type ApiClient, type ServerSwitch, errorFromResponse } from "@trireme/client";
import { writePrivateFile } from "@trireme/pki";
import type { Logger } from "@trireme/telemetry";

/** The one slice that says which servers there are; kept by the servers themselves. */
const SLICE = { namespace: "default", name: "kubernetes" } as const;
const SLICE_PATH = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes?resourceVersion=0";
/** Between two looks of those who follow no EndpointSlices: a server that came is used soon enough, and a look is cheap. */
const LOOK_EVERY_MS = 2_000;

/** A server as others reach it. */
export interface Server {
  readonly name: string;
  readonly address: string;
}

/** Where a process finds the servers at its start. */
export interface ServerDirectoryOptions {
  /** What the process was started with: `host:port`, the preferred one first. */
  readonly apiServers: readonly string[];
  readonly natsUrls: readonly string[];
  /** Where the newest list is kept for the next start, in place of the flags; none: nothing is kept. */
  readonly file?: string | undefined;
  /** Whether this process writes the file; others of the same machine read it. */
  readonly writes?: boolean;
  readonly log: Logger;
}

/**
 * Which servers there are, for one process: from its flags, or from what was learned in a former life, then from EndpointSlice
 * `default/kubernetes`. Its clients and its bus are told of servers that came and of those that were removed.
 */
export class ServerDirectory {
  private readonly options: ServerDirectoryOptions;
  private readonly followers: { readonly configured: readonly string[]; readonly client: ServerSwitch }[] = [];
  private readonly listeners: ((servers: readonly Server[]) => void)[] = [];
  /** Names are unknown, and the address stands for them, until the slice has said them. */
  private known: readonly Server[];

  constructor(options: ServerDirectoryOptions) {
    this.options = options;
    this.known =
      readServers(options.file) ?? options.apiServers.map(hostOf).map((address) => ({ name: address, address }));
  }

  get servers(): readonly Server[] {
    return this.known;
  }

  /** Calls `listener` with each other list. */
  onChange(listener: (servers: readonly Server[]) => void): void {
    this.listeners.push(listener);
  }

  private get hosts(): readonly string[] {
    return this.known.map(({ address }) => address);
  }

  /** `host:port` of every server's API. */
  get apiServers(): readonly string[] {
    return addressesOn(this.options.apiServers, this.hosts);
  }

  /** `host:port` of every server's bus; empty where there is none. */
  get natsUrls(): readonly string[] {
    return addressesOn(this.options.natsUrls, this.hosts);
  }

  /** The servers at another port, in the order that was configured. */
  addressesLike(configured: readonly string[]): readonly string[] {
    return addressesOn(configured, this.hosts);
  }

  /** From now on `client` is told of changes. `configured` gives its port and its order. */
  tell(client: ServerSwitch | undefined, configured: readonly string[]): void {
    if (client !== undefined) this.followers.push({ configured, client });
  }

  /** Takes an EndpointSlice into account; those of other Services are none of its business. */
  learn(slice: EndpointSlice): void {
    const { namespace, name } = slice.metadata;
    if (namespace !== SLICE.namespace || name !== SLICE.name) return;
    const servers = hostsOf(slice);
    const hosts = servers.map(({ address }) => address);
    if (hosts.length === 0 || same(hosts, this.hosts)) return;
    this.known = servers;
    const { file, log, writes } = this.options;
    log.info("the servers are others now", { servers: hosts });
    for (const { client, configured } of this.followers) client.setServers(addressesOn(configured, hosts));
    for (const listener of this.listeners) listener(servers);
    if (file === undefined || writes !== true) return;
    try {
      writePrivateFile(file, `${JSON.stringify(servers)}\n`);
    } catch (thrown) {
      log.warn("the list of servers could not be kept", { err: errorFrom(thrown) });
    }
  }

  /** Looks at the slice again and again; for processes without an informer of EndpointSlices. Answers how to stop. */
  look(client: ApiClient, clock: Clock): () => void {
    let stopped = false;
    let cancel: (() => void) | undefined;
    const turn = async (): Promise<void> => {
      try {
        // Whatever the server has at hand: it costs the store nothing.
        const answer = await client.raw("GET", SLICE_PATH);
        if (answer.status !== 200) throw errorFromResponse(answer.status, answer.body);
        this.learn(JSON.parse(answer.body.toString()) as EndpointSlice);
      } catch (thrown) {
        this.options.log.debug("the list of servers cannot be read", { err: errorFrom(thrown) });
      }
      if (!stopped) cancel = clock.after(LOOK_EVERY_MS, () => void turn());
    };
    cancel = clock.after(LOOK_EVERY_MS, () => void turn());
    return () => {
      stopped = true;
      cancel?.();
    };
  }
}

/** The servers that the slice lists, ready or not: who is silent for a while is still one. */
export function hostsOf(slice: EndpointSlice): Server[] {
  return (slice.endpoints ?? []).flatMap(({ addresses, hostname }) =>
    (addresses ?? []).map((address) => ({ name: hostname ?? address, address })),
  );
}

/** `host:port` for hosts, with the port of what was configured and in its order; hosts that were not come last. */
export function addressesOn(configured: readonly string[], hosts: readonly string[]): string[] {
  const first = configured[0];
  if (first === undefined) return [];
  const port = first.slice(first.lastIndexOf(":") + 1);
  const known = configured.map(hostOf).filter((host) => hosts.includes(host));
  return [...known, ...hosts.filter((host) => !known.includes(host))].map((host) => `${host}:${port}`);
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}

function readServers(file: string | undefined): readonly Server[] | undefined {
  if (file === undefined || !existsSync(file)) return undefined;
  const servers = JSON.parse(readFileSync(file, "utf8")) as readonly Server[];
  return servers.length === 0 ? undefined : servers;
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}
