import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { type KubeObject, type Resource, SECRETS, type Secret } from "@trireme/api";
import { type Clock, TriremeError, hasCode } from "@trireme/base";
import {
  CA_PATH,
  type ClusterFacts,
  JOIN_PATH,
  type JoinAnswer,
  type JoinRequest,
  RENEW_PATH,
  type SignedIdentities,
  TOKEN_SECRET_TYPE,
  type TokenData,
  hostIdOf,
  parseRequest,
  readSharedFolder,
  tokenSecretName,
} from "@trireme/pki";
import type { Logger } from "@trireme/telemetry";
import { HOST_ID, nodeOf } from "../auth/user.ts";
import type { ApiserverConfig } from "../config.ts";
import { parseBody, readBody } from "../http/body.ts";
import { type Exchange, headerOf, sendBytes, sendJson } from "../http/exchange.ts";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import type { ConsistentReads } from "../storage/consistent-reads.ts";
import type { WatchCache } from "../storage/watch-cache.ts";
import { type Joiner, checkHost, checkToken } from "./decide.ts";
import { JOIN_CALLER, JOIN_NAMESPACE, freshHosts, removedReason, writeHost } from "./hosts.ts";
import { issueNode } from "./issue.ts";
import { parseJoinRequest, parseRenewal } from "./parse.ts";

/** What the door needs. */
export interface JoinParts {
  readonly config: Pick<
    ApiserverConfig,
    "pkiDir" | "clusterName" | "apiServers" | "serviceCidr" | "podCidr" | "nodePortRange"
  >;
  readonly pipeline: RequestPipeline;
  readonly cache: WatchCache;
  readonly reads: ConsistentReads;
  readonly clock: Clock;
  readonly log: Logger;
}

const RESOURCE = SECRETS as Resource;

/** Serves machines that join, before anybody has signed anything for them, and nodes that renew what was signed. */
export class JoinDoor {
  private readonly parts: JoinParts;

  constructor(parts: JoinParts) {
    this.parts = parts;
  }

  /** Answers the paths of a join; false for any other. */
  async serve(exchange: Exchange): Promise<boolean> {
    const { method, path, response } = exchange;
    if (path !== CA_PATH && path !== JOIN_PATH && path !== RENEW_PATH) return false;
    if (method !== (path === CA_PATH ? "GET" : "POST")) {
      throw new TriremeError("MethodNotAllowed", `${path} is asked with ${path === CA_PATH ? "GET" : "POST"}`);
    }
    if (path === CA_PATH) {
      sendBytes(response, 200, readFileSync(join(this.parts.config.pkiDir, "ca.crt")), "application/x-pem-file");
      return true;
    }
    const body = await readBody(exchange.request as Readable, headerOf(exchange.request, "content-length"));
    const parsed = parseBody(body, "application/json");
    const answer = path === JOIN_PATH ? await this.join(parseJoinRequest(parsed)) : await this.renew(exchange, parsed);
    sendJson(response, 200, answer);
    return true;
  }

  private async join(request: JoinRequest): Promise<JoinAnswer> {
    const { role, name, address, replace } = request;
    const { clock, config, log, pipeline } = this.parts;
    const host = await parseRequest(request.host);
    if (host.cn !== name) throw new TriremeError("BadRequest", `the host's request is for "${host.cn}", not "${name}"`);
    const joiner: Joiner = { role, name, address, replace, hostId: hostIdOf(host.publicKey) };
    await this.admit(request.token, joiner);
    const none: SignedIdentities = { certificates: {}, bus: {} };
    // Signed before it is written down: a machine whose requests are refused is none of the cluster's.
    const signed = role === "node" ? await issueNode(config.pkiDir, joiner, request, clock.now()) : none;
    await writeHost(pipeline, joiner, clock.now());
    log.info("a machine joins", { host: name, role, address, hostId: joiner.hostId });
    const facts = await this.facts();
    return { ...facts, ...signed, ...(role === "server" ? { shared: readSharedFolder(config.pkiDir) } : {}) };
  }

  /** A node's own certificate opens this, and it gets nothing but its own name again. */
  private async renew({ caller }: Exchange, parsed: unknown): Promise<SignedIdentities & ClusterFacts> {
    const { cache, clock, config, reads } = this.parts;
    const name = nodeOf(caller.user);
    const hostId = caller.user.extra?.[HOST_ID]?.[0];
    if (name === undefined || hostId === undefined) {
      throw new TriremeError("Forbidden", `User "${caller.user.name}" is no node that has joined: nothing to renew`);
    }
    const record = (await freshHosts(cache, reads)).find((host) => host.name === name);
    const removed = removedReason(cache, caller.user);
    if (removed !== undefined || record === undefined) {
      throw new TriremeError("Forbidden", `${removed ?? `node "${name}" is unknown`}; nothing is renewed`);
    }
    const signed = await issueNode(config.pkiDir, record, parseRenewal(parsed), clock.now());
    return { ...(await this.facts()), ...signed };
  }

  /** Checks token, name and address on the newest state, and marks the token as this machine's. */
  private async admit(token: string, joiner: Joiner): Promise<void> {
    const [id = "", secret = ""] = token.split(".");
    for (;;) {
      const hosts = await freshHosts(this.parts.cache, this.parts.reads);
      const found = await this.token(id);
      checkToken(id, secret, found?.data, joiner, this.parts.clock.now());
      checkHost(joiner, hosts);
      if (found?.data["used-by-host"] !== undefined) return;
      try {
        await this.mark(found!.object, joiner);
        return;
      } catch (thrown) {
        // Another machine came with the same token at the same moment: now it is seen.
        if (!hasCode(thrown, "Conflict")) throw thrown;
      }
    }
  }

  private async token(id: string): Promise<{ object: KubeObject; data: Partial<TokenData> } | undefined> {
    const target = { resource: RESOURCE, namespace: JOIN_NAMESPACE, name: tokenSecretName(id) };
    try {
      const { object } = await this.parts.pipeline.get(JOIN_CALLER, target);
      const secret = object as Secret;
      if (secret.type !== TOKEN_SECRET_TYPE) return undefined;
      const entries = Object.entries(secret.data ?? {});
      const data = entries.map(([key, value]) => [key, Buffer.from(value, "base64").toString()]);
      return { object, data: Object.fromEntries(data) as Partial<TokenData> };
    } catch (thrown) {
      if (hasCode(thrown, "NotFound")) return undefined;
      throw thrown;
    }
  }

  private async mark(secret: KubeObject, { hostId, name }: Joiner): Promise<void> {
    const target = { resource: RESOURCE, namespace: JOIN_NAMESPACE, name: secret.metadata.name! };
    const text = (value: string): string => Buffer.from(value).toString("base64");
    const data = { ...(secret as Secret).data, "used-by-host": text(hostId), "used-by-name": text(name) };
    await this.parts.pipeline.update(JOIN_CALLER, target, { ...secret, data }, {});
  }

  private async facts(): Promise<ClusterFacts> {
    const { cache, config, reads } = this.parts;
    const servers = (await freshHosts(cache, reads)).filter((host) => host.role === "server");
    return {
      cluster: config.clusterName,
      servers: servers.map(({ name, address }) => ({ name, address })),
      serviceCidr: config.serviceCidr,
      podCidr: config.podCidr,
      nodePortRange: config.nodePortRange,
    };
  }
}
