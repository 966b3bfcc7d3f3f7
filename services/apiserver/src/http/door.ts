import { type Clock, TriremeError, errorFrom } from "@trireme/base";
import type { TLSSocket } from "node:tls";
import type { Logger } from "@trireme/telemetry";
import type { Authenticator } from "../auth/authenticator.ts";
import { parseFence } from "../auth/fence.ts";
import { type Headers, requestedUser } from "../auth/impersonation.ts";
import { ANONYMOUS } from "../auth/user.ts";
import type { Lane, Lanes } from "../lanes.ts";
import type { ApiMetrics, RequestLabels } from "../metrics.ts";
import { serveDocument } from "./documents.ts";
import { type Exchange, type Request, type Response, headerOf, sendBytes, sendError } from "./exchange.ts";
import { type Readiness, serveHealth } from "./health.ts";
import { serveIssuerDocument } from "./issuer-documents.ts";
import type { JoinDoor } from "../join/join-door.ts";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import { type SealingDoorParts, serveSealing } from "./sealing.ts";
import { type ResourceDoor, isLongRunning, verbOf } from "./resources.ts";
import { routeOf } from "./route.ts";
import { type TokenKeyDoorParts, serveTokenKeys } from "./token-keys.ts";
import type { Upgrade } from "./tunnel.ts";

/** Longest answer to anything that does not last by nature. */
export const REQUEST_TIMEOUT_MS = 60_000;

/** What the HTTP door needs. */
export interface DoorParts {
  readonly authenticator: Authenticator;
  /** Machines that join have nothing yet to authenticate with. */
  readonly joins: JoinDoor;
  /** The keys that others may verify our tokens with. */
  readonly tokenKeys: TokenKeyDoorParts;
  readonly pipeline: RequestPipeline;
  readonly sealing: SealingDoorParts;
  readonly resources: ResourceDoor;
  readonly readiness: Readiness;
  readonly lanes: Lanes;
  readonly metrics: ApiMetrics;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The front door: who is it, where to, is there room; then the answer or the Status that says why not. */
export class HttpDoor {
  private readonly parts: DoorParts;

  constructor(parts: DoorParts) {
    this.parts = parts;
    parts.metrics.observeInFlight(() => parts.lanes.inFlight);
  }

  /** Handles one request; never rejects. */
  async handle(request: Request, response: Response, upgrade?: Upgrade): Promise<void> {
    const started = this.parts.clock.monotonic();
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    // An error on a broken connection has no one to be told to.
    response.on("error", () => gone.abort());
    let labels: RequestLabels = { ...NOWHERE, verb: request.method ?? "" };
    try {
      const exchange = await this.open(request, response, gone.signal, upgrade);
      if (serveHealth(exchange, this.parts.readiness)) return;
      if (await this.parts.joins.serve(exchange)) return;
      if (exchange.caller.user === ANONYMOUS) throw unauthorized();
      const actsAs = requestedUser(headersOf(request));
      const caller = actsAs === undefined ? exchange.caller : await this.parts.pipeline.actAs(exchange.caller, actsAs);
      labels = await this.serve({ ...exchange, caller }, labels);
    } catch (thrown) {
      this.fail(request, response, thrown, gone.signal);
    } finally {
      const seconds = (this.parts.clock.monotonic() - started) / 1000;
      this.parts.metrics.request({ ...labels, ...labelsOf.get(request) }, response.statusCode, seconds);
      labelsOf.delete(request);
    }
  }

  private async open(request: Request, response: Response, signal: AbortSignal, upgrade?: Upgrade): Promise<Exchange> {
    const socket = ("stream" in request ? request.stream.session?.socket : request.socket) as TLSSocket | undefined;
    if (socket === undefined) throw new TriremeError("Cancelled", "the connection is gone");
    const user = await this.parts.authenticator.userOf(socket, headerOf(request, "authorization"));
    const url = new URL(request.url ?? "/", "https://apiserver");
    return {
      request,
      response,
      method: request.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
      caller: {
        user,
        fence: parseFence(headerOf(request, "trireme-fence")),
        userAgent: headerOf(request, "user-agent"),
      },
      signal,
      upgrade,
    };
  }

  private async serve(exchange: Exchange, labels: RequestLabels): Promise<RequestLabels> {
    const { caller, path } = exchange;
    const route = routeOf(path);
    if (route.kind === "path") {
      if (await serveSealing(exchange, this.parts.pipeline, this.parts.sealing)) return labels;
      if (await serveTokenKeys(exchange, this.parts.pipeline, this.parts.tokenKeys)) return labels;
      const verb = exchange.method === "HEAD" ? "get" : exchange.method.toLowerCase();
      const { allowed } = await this.parts.pipeline.decidePath(caller.user, verb, path);
      if (!allowed) throw forbiddenPath(caller.user.name, verb, path);
      if (path === "/metrics") sendBytes(exchange.response, 200, await this.parts.metrics.render(), "text/plain");
      else if (!serveIssuerDocument(exchange, this.parts.tokenKeys.keys)) serveDocument(exchange);
      return labels;
    }
    const verb = verbOf(exchange.method, route, exchange.query);
    const { group, version, resource } = route.resource;
    const scope = route.name !== undefined ? "resource" : route.namespace !== undefined ? "namespace" : "cluster";
    const dryRun = exchange.query.get("dryRun") === "All" ? "All" : "";
    const subresource = route.subresource ?? "";
    const full = { verb, group, version, resource, subresource, scope, dry_run: dryRun };
    labelsOf.set(exchange.request, full);
    const isLong = isLongRunning(verb, route);
    const lane: Lane = isLong ? "long" : verb === "get" || verb === "list" ? "read" : "write";
    const leave = this.parts.lanes.enter(lane);
    const cancelTimeout = isLong
      ? undefined
      : this.parts.clock.after(REQUEST_TIMEOUT_MS, () => sendError(exchange.response, timedOut()));
    try {
      await this.parts.resources.serve(exchange, route, verb);
    } finally {
      cancelTimeout?.();
      leave();
    }
    return full;
  }

  private fail(request: Request, response: Response, thrown: unknown, signal: AbortSignal): void {
    const error = errorFrom(thrown);
    if (signal.aborted) {
      if (error.code !== "Cancelled") this.parts.log.debug("request failed after its client went", { err: thrown });
      return;
    }
    if (error.code === "InternalError") this.parts.log.error("request failed", { err: thrown });
    // An HTTP/1.1 client that still sends a body which nobody reads is cut off after the answer. One of HTTP/2 stops by
    // itself when the answer ends; resetting its stream makes Go's client lose the answer.
    if (!request.complete && !("stream" in request)) response.setHeader("connection", "close");
    sendError(response, error);
  }
}

/** Headers that may come several times. HTTP/2 has them joined, HTTP/1.1 one by one. */
function headersOf(request: Request): Headers {
  return (name) => {
    const value = request.headers[name];
    if (value === undefined) return [];
    return typeof value === "string" ? value.split(", ") : value;
  };
}

/** Labels of a request to no resource. */
const NOWHERE: RequestLabels = {
  verb: "",
  group: "",
  version: "",
  resource: "",
  subresource: "",
  scope: "",
  dry_run: "",
};

/** Labels of requests that failed after they were known. */
const labelsOf = new WeakMap<Request, RequestLabels>();

function unauthorized(): TriremeError {
  return new TriremeError(
    "Unauthorized",
    "Unauthorized: this server asks for a client certificate of the cluster's CA, or for a ServiceAccount's token",
  );
}

function forbiddenPath(user: string, verb: string, path: string): TriremeError {
  return new TriremeError("Forbidden", `forbidden: User "${user}" cannot ${verb} path "${path}"`);
}

function timedOut(): TriremeError {
  return new TriremeError("Timeout", `the request did not complete within ${REQUEST_TIMEOUT_MS / 1000} s`);
}
