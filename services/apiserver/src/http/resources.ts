import type { IncomingMessage } from "node:http";
import { TriremeError } from "@trireme/base";
import { type FieldValidation, type KubeObject, groupResource } from "@trireme/api";
import type { ApiMetrics } from "../metrics.ts";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import {
  type DeletionOptions,
  type ListOptions,
  type NamedTarget,
  type PatchOptions,
  type Target,
  type WatchOptions,
  type WriteOptions,
  type Written,
  facesOf,
} from "../pipeline/request.ts";
import { type StreamKind, isStreamKind } from "../pipeline/pod-streams.ts";
import { PATCH_MEDIA_TYPES } from "../registry/patching.ts";
import { parseBody, readBody } from "./body.ts";
import { type Exchange, flushHead, headerOf, sendJson, write } from "./exchange.ts";
import type { Measurements } from "./measurements.ts";
import { type Format, formatOf } from "./negotiation.ts";
import { sendList, sendObject } from "./rendering.ts";
import type { Route } from "./route.ts";
import { logHandshakeOf, sendLogMessages, wantsWebSocket } from "./log-socket.ts";
import { spdyStatusOf } from "./spdy-status.ts";
import { joinTunnel } from "./tunnel.ts";
import { streamWatch } from "./watching.ts";

/** What a resource path leads to. */
export type ResourceRoute = Extract<Route, { kind: "resource" }>;

/** The Kubernetes verb of a request. */
export function verbOf(method: string, route: ResourceRoute, query: URLSearchParams): string {
  switch (method) {
    case "GET":
    case "HEAD":
      if (isTrue(query, "watch")) return "watch";
      return route.name === undefined ? "list" : "get";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return route.name === undefined ? "deletecollection" : "delete";
    default:
      throw methodNotAllowed(method, route);
  }
}

/** Whether a request may last: those are not counted against the bound of requests in flight. */
export function isLongRunning(verb: string, route: ResourceRoute): boolean {
  return verb === "watch" || route.subresource === "log" || isStreamKind(route.subresource);
}

/** Serves every verb on every resource. */
export class ResourceDoor {
  private readonly pipeline: RequestPipeline;
  private readonly now: () => number;
  private readonly measurements: Measurements;
  private readonly metrics: Pick<ApiMetrics, "watched">;

  constructor(
    pipeline: RequestPipeline,
    measurements: Measurements,
    metrics: Pick<ApiMetrics, "watched">,
    now: () => number,
  ) {
    this.pipeline = pipeline;
    this.metrics = metrics;
    this.measurements = measurements;
    this.now = now;
  }

  async serve(exchange: Exchange, route: ResourceRoute, verb: string): Promise<void> {
    checkSubresource(exchange.method, route);
    const target = targetOf(route);
    if (target.subresource === "log") {
      await this.log(exchange, named(target));
      return;
    }
    if (isStreamKind(target.subresource)) {
      await this.tunnel(exchange, verb, named(target), target.subresource);
      return;
    }
    const { query, caller } = exchange;
    if (this.measurements.serves(target.resource)) {
      return this.measurements.serve(exchange, target, verb, listOptions(query), this.now());
    }
    if (route.subresource === undefined && !route.resource.verbs.includes(verb)) {
      throw methodNotAllowed(exchange.method, route);
    }
    // Whoever may not is told so before what they sent is read: its faults are none of theirs to learn, its bytes none of ours.
    if (BODIED.has(verb)) await this.pipeline.authorize(caller, verb, target, query.get("fieldSelector") ?? undefined);
    switch (verb) {
      case "get":
        return this.get(exchange, named(target));
      case "list": {
        const format = this.format(exchange);
        const result = await this.pipeline.list(caller, target, listOptions(query));
        return sendList(exchange, target, result, format, this.now());
      }
      case "watch":
        return this.watch(exchange, target);
      case "create": {
        const body = await this.body(exchange);
        const written = await this.pipeline.create(caller, target, body, writeOptions(query));
        return this.sendWritten(exchange, target, written);
      }
      case "update": {
        const body = await this.body(exchange);
        const written = await this.pipeline.update(caller, named(target), body, writeOptions(query));
        return this.sendWritten(exchange, target, written);
      }
      case "patch": {
        const written = await this.pipeline.patch(caller, named(target), await this.patchOptions(exchange));
        return this.sendWritten(exchange, target, written);
      }
      case "delete":
        return this.delete(exchange, named(target));
      default:
        return this.deleteCollection(exchange, target);
    }
  }

  private format(exchange: Exchange): Format {
    return formatOf(headerOf(exchange.request, "accept"));
  }

  private async get(exchange: Exchange, target: NamedTarget): Promise<void> {
    const format = this.format(exchange);
    const version = exchange.query.get("resourceVersion") ?? "";
    if (target.subresource === "scale") {
      const scale = await this.pipeline.getScale(exchange.caller, target, version);
      sendObject(exchange, 200, target, scale, format, this.now());
      return;
    }
    const { object } = await this.pipeline.get(exchange.caller, target, version);
    sendObject(exchange, 200, target, object, format, this.now());
  }

  private async watch(exchange: Exchange, target: Target): Promise<void> {
    const format = this.format(exchange);
    const { query, caller } = exchange;
    const options = watchOptions(query, target.name);
    const session = await this.pipeline.watch(caller, target, options);
    await streamWatch(exchange, target, session, format, this.now, (events) => {
      this.metrics.watched(target.resource, events);
    });
  }

  private async delete(exchange: Exchange, target: NamedTarget): Promise<void> {
    const options = deletionOptions(await this.body(exchange), exchange.query);
    const { object, gone } = await this.pipeline.delete(exchange.caller, target, options);
    const returnsObject = !gone || target.resource.resource === "pods";
    if (returnsObject) {
      sendObject(exchange, 200, target, object, this.format(exchange), this.now());
      return;
    }
    const { group, resource } = target.resource;
    const details = { name: target.name, ...(group === "" ? {} : { group }), kind: resource, uid: object.metadata.uid };
    sendJson(exchange.response, 200, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details });
  }

  private async deleteCollection(exchange: Exchange, target: Target): Promise<void> {
    const { caller, query } = exchange;
    const options = deletionOptions(await this.body(exchange), query);
    const result = await this.pipeline.deleteCollection(caller, target, listOptions(query), options);
    await sendList(exchange, target, result, this.format(exchange), this.now());
  }

  private async log(exchange: Exchange, target: NamedTarget): Promise<void> {
    const { response, query, signal, caller, upgrade } = exchange;
    const request = exchange.request as IncomingMessage;
    if (upgrade !== undefined && wantsWebSocket(request)) {
      await this.pipeline.authorize(caller, "get", target);
      const handshake = logHandshakeOf(request);
      const gone = new AbortController();
      upgrade.socket.once("close", () => gone.abort());
      const pieces = await this.pipeline.logs(caller, target, query, AbortSignal.any([signal, gone.signal]));
      return sendLogMessages(upgrade, handshake, pieces);
    }
    const pieces = await this.pipeline.logs(caller, target, query, signal);
    response.statusCode = 200;
    response.setHeader("content-type", "text/plain");
    response.setHeader("cache-control", "no-cache, private");
    flushHead(response);
    for await (const piece of pieces) await write(response, piece, signal);
    response.end();
  }

  private async tunnel(exchange: Exchange, verb: string, target: NamedTarget, kind: StreamKind): Promise<void> {
    const { request, query, signal, caller, upgrade, method } = exchange;
    if (upgrade === undefined) {
      await this.pipeline.podToStream(caller, verb, target, kind);
      throw new TriremeError(
        "BadRequest",
        `Upgrade request required: ${kind} is a stream over HTTP/1.1, not an answer`,
      );
    }
    const head = { method, headers: (request as IncomingMessage).headersDistinct };
    const tunnel = await this.pipeline.stream(caller, verb, target, kind, query, head, signal);
    // A port-forward needs no last words: kubectl ends with an error when its connection does.
    await joinTunnel(upgrade, tunnel, kind === "portforward" ? undefined : spdyStatusOf(tunnel.opened));
  }

  private sendWritten(exchange: Exchange, target: Target, written: Written): void {
    const code = written.created ? 201 : 200;
    const format = this.format(exchange);
    sendObject(exchange, code, target, written.object, format, this.now(), written.warnings);
  }

  private async body(exchange: Exchange): Promise<unknown> {
    const { request } = exchange;
    const bytes = await readBody(request, headerOf(request, "content-length"));
    return parseBody(bytes, headerOf(request, "content-type"));
  }

  private async patchOptions(exchange: Exchange): Promise<PatchOptions> {
    const { query, request } = exchange;
    const media = (headerOf(request, "content-type") ?? "").split(";")[0]!.trim();
    const type = PATCH_MEDIA_TYPES[media];
    if (type === undefined) {
      const known = Object.keys(PATCH_MEDIA_TYPES).join(", ");
      throw new TriremeError(
        "UnsupportedMediaType",
        `the body of the request was in an unknown format - accepted media types include: ${known}`,
      );
    }
    return { ...writeOptions(query), type, body: await this.body(exchange), force: isTrue(query, "force") };
  }
}

function targetOf(route: ResourceRoute): Target {
  const { resource, namespace, name, subresource } = route;
  return { ...facesOf(resource), namespace, name, subresource };
}

function named(target: Target): NamedTarget {
  if (target.name !== undefined) return target as NamedTarget;
  throw new TriremeError("MethodNotAllowed", "the server does not allow this method on the requested resource");
}

function methodNotAllowed(method: string, route: ResourceRoute): TriremeError {
  const of = `${groupResource(route.resource)}${route.subresource === undefined ? "" : `/${route.subresource}`}`;
  return new TriremeError("MethodNotAllowed", `the server does not allow ${method} on ${of}`);
}

/** Verbs whose requests bring a body. */
const BODIED: ReadonlySet<string> = new Set(["create", "update", "patch", "delete", "deletecollection"]);

const SUBRESOURCE_METHODS: Readonly<Record<string, string>> = {
  GET: "get",
  HEAD: "get",
  PUT: "update",
  PATCH: "patch",
  POST: "create",
  DELETE: "delete",
};

function checkSubresource(method: string, route: ResourceRoute): void {
  const { subresource, resource } = route;
  if (subresource === undefined) {
    const isCollection = route.name === undefined;
    const allowed = isCollection ? ["GET", "HEAD", "POST", "DELETE"] : ["GET", "HEAD", "PUT", "PATCH", "DELETE"];
    if (!allowed.includes(method)) throw methodNotAllowed(method, route);
    if (resource.namespaced && route.namespace === undefined && method === "POST")
      throw methodNotAllowed(method, route);
    return;
  }
  if (resource.resource === "namespaces" && subresource === "finalize" && method === "PUT") return;
  const declared = resource.subresources.find((one) => one.name === subresource);
  if (declared === undefined) {
    throw new TriremeError("NotFound", "the server could not find the requested resource");
  }
  if (!declared.verbs.includes(SUBRESOURCE_METHODS[method] ?? "")) throw methodNotAllowed(method, route);
}

function isTrue(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value === "true" || value === "1" || value === "";
}

function listOptions(query: URLSearchParams): ListOptions {
  const limit = query.get("limit");
  if (limit !== null && !/^[0-9]{1,9}$/.test(limit)) {
    throw new TriremeError("BadRequest", `limit: Invalid value: "${limit}": must be a whole number`);
  }
  return {
    labelSelector: query.get("labelSelector") ?? undefined,
    fieldSelector: query.get("fieldSelector") ?? undefined,
    resourceVersion: query.get("resourceVersion") ?? undefined,
    resourceVersionMatch: query.get("resourceVersionMatch") ?? undefined,
    continueToken: query.get("continue") ?? undefined,
    limit: limit === null ? undefined : Number(limit),
  };
}

function watchOptions(query: URLSearchParams, name: string | undefined): WatchOptions {
  const initial = query.get("sendInitialEvents");
  const match = query.get("resourceVersionMatch") ?? undefined;
  if (initial === "true" && match !== "NotOlderThan") {
    throw new TriremeError(
      "Invalid",
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    );
  }
  // A watch on one object's path is one on its collection that sees this name alone.
  const fields = [query.get("fieldSelector"), name === undefined ? null : `metadata.name=${name}`];
  return {
    labelSelector: query.get("labelSelector") ?? undefined,
    fieldSelector: fields.filter((one) => one !== null && one !== "").join(",") || undefined,
    resourceVersion: query.get("resourceVersion") ?? undefined,
    resourceVersionMatch: match,
    allowBookmarks: isTrue(query, "allowWatchBookmarks"),
    sendInitialEvents: initial === null ? undefined : initial === "true",
  };
}

function writeOptions(query: URLSearchParams): WriteOptions {
  return {
    dryRun: dryRunOf(query.getAll("dryRun")),
    fieldManager: query.get("fieldManager") ?? undefined,
    fieldValidation: fieldValidationOf(query.get("fieldValidation")),
  };
}

function fieldValidationOf(text: string | null): FieldValidation {
  if (text === null || text === "") return "Warn";
  if (text === "Strict" || text === "Warn" || text === "Ignore") return text;
  throw new TriremeError(
    "BadRequest",
    `fieldValidation: Unsupported value: "${text}": supported values: "Ignore", "Strict", "Warn"`,
  );
}

function dryRunOf(values: readonly unknown[]): boolean {
  for (const value of values) {
    if (value !== "All") {
      throw new TriremeError("BadRequest", `dryRun: Unsupported value: "${String(value)}": supported values: "All"`);
    }
  }
  return values.length > 0;
}

interface DeleteBody {
  gracePeriodSeconds?: number;
  propagationPolicy?: string;
  orphanDependents?: boolean;
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: unknown[];
}

function deletionOptions(body: unknown, query: URLSearchParams): DeletionOptions {
  if (body !== undefined && (typeof body !== "object" || body === null || Array.isArray(body))) {
    throw new TriremeError("BadRequest", "the body of a delete must be DeleteOptions");
  }
  const given = (body ?? {}) as DeleteBody & Partial<KubeObject>;
  const grace = given.gracePeriodSeconds ?? numberOf(query.get("gracePeriodSeconds"));
  const legacy = given.orphanDependents === undefined ? undefined : given.orphanDependents ? "Orphan" : "Background";
  return {
    gracePeriodSeconds: grace,
    propagationPolicy: given.propagationPolicy ?? query.get("propagationPolicy") ?? legacy,
    uid: given.preconditions?.uid,
    resourceVersion: given.preconditions?.resourceVersion,
    dryRun: dryRunOf([...(given.dryRun ?? []), ...query.getAll("dryRun")]),
  };
}

function numberOf(text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  if (/^-?[0-9]{1,9}$/.test(text)) return Number(text);
  throw new TriremeError("BadRequest", `gracePeriodSeconds: Invalid value: "${text}": must be a whole number`);
}
