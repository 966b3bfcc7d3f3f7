import { TriremeError } from "@trireme/base";
import {
  COMPUTED_RESOURCES,
  type ContainerMetrics,
  type KubeObject,
  NODES,
  NODE_METRICS,
  type NodeMetrics,
  PODS,
  type Pod,
  type PodMetrics,
  Quantity,
  type Resource,
  apiVersionOf,
  formatTime,
  notFound,
  tableFor,
} from "@trireme/api";
import type { SampleBook, Usage } from "@trireme/bus";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import type { ListOptions, Target } from "../pipeline/request.ts";
import type { Lists } from "../registry/lists.ts";
import { type Exchange, headerOf, sendJson } from "./exchange.ts";
import { formatOf } from "./negotiation.ts";
import { includeOf, partialOf } from "./rendering.ts";

/** Serves metrics.k8s.io: what nodes and pods use by the newest samples; whoever has no young sample is not there. */
export class Measurements {
  private readonly pipeline: RequestPipeline;
  private readonly lists: Lists;
  private readonly samples: SampleBook;

  constructor(pipeline: RequestPipeline, lists: Lists, samples: SampleBook) {
    this.pipeline = pipeline;
    this.lists = lists;
    this.samples = samples;
  }

  /** Whether this resource is answered here and not from the store. */
  serves(resource: Resource): boolean {
    return COMPUTED_RESOURCES.includes(resource);
  }

  async serve(exchange: Exchange, target: Target, verb: string, options: ListOptions, nowMs: number): Promise<void> {
    const { resource, name } = target;
    if (!resource.verbs.includes(verb)) {
      const message = `the server does not allow ${verb} on ${resource.resource}.${resource.group}: it is measured`;
      throw new TriremeError("MethodNotAllowed", message);
    }
    await this.pipeline.authorize(exchange.caller, verb, target, options.fieldSelector);
    const { labelSelector, fieldSelector } = options;
    const selection =
      name === undefined ? { labelSelector, fieldSelector } : { fieldSelector: `metadata.name=${name}` };
    const items = await this.measured(resource, target.namespace, selection);
    const format = formatOf(headerOf(exchange.request, "accept"));
    if (name !== undefined && items.length === 0) throw notFound(resource, name);
    if (format === "table") {
      const include = { now: nowMs, includeObject: includeOf(exchange.query) };
      sendJson(exchange.response, 200, tableFor(resource, items, include));
      return;
    }
    const bodies = format === "metadata" ? items.map(partialOf) : items;
    if (name !== undefined) {
      sendJson(exchange.response, 200, bodies[0]);
      return;
    }
    const kind = format === "metadata" ? "PartialObjectMetadataList" : `${resource.kind}List`;
    const apiVersion = format === "metadata" ? "meta.k8s.io/v1" : apiVersionOf(resource);
    sendJson(exchange.response, 200, { kind, apiVersion, metadata: {}, items: bodies });
  }

  /** The nodes or pods that are asked for, as far as they are measured. */
  private async measured(resource: Resource, namespace: string | undefined, of: ListOptions): Promise<KubeObject[]> {
    const isOfNodes = resource.resource === NODE_METRICS.resource;
    const kind: Resource = isOfNodes ? NODES : PODS;
    const { items } = await this.lists.list(kind, namespace, { ...of, resourceVersion: "0" });
    return items.flatMap(({ object }) => {
      const metrics = isOfNodes ? this.ofNode(object) : this.ofPod(object as Pod);
      return metrics === undefined ? [] : [metrics as KubeObject];
    });
  }

  private ofNode({ metadata }: KubeObject): NodeMetrics | undefined {
    const sample = this.samples.node(metadata.name);
    if (sample === undefined) return undefined;
    return { kind: "NodeMetrics", ...headOf(metadata, sample), usage: usageOf(sample) };
  }

  private ofPod({ metadata, spec }: Pod): PodMetrics | undefined {
    if (spec.nodeName === undefined) return undefined;
    const measured = this.samples.pod(spec.nodeName, metadata.namespace ?? "", metadata.name);
    if (measured === undefined) return undefined;
    const containers = Object.entries(measured.containers).map(([name, usage]): ContainerMetrics => ({
      name,
      usage: usageOf(usage),
    }));
    return { kind: "PodMetrics", ...headOf(metadata, measured), containers };
  }
}

function headOf(
  { name, namespace, labels }: KubeObject["metadata"],
  { atMs, windowMs }: { readonly atMs: number; readonly windowMs: number },
): Pick<NodeMetrics, "apiVersion" | "metadata" | "timestamp" | "window"> {
  return {
    apiVersion: "metrics.k8s.io/v1beta1",
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
      creationTimestamp: formatTime(atMs),
    },
    timestamp: formatTime(atMs),
    window: `${windowMs / 1000}s`,
  };
}

function usageOf({ cpuMillis, memoryBytes }: Usage): Record<string, string> {
  return {
    cpu: Quantity.ofMilli(cpuMillis).toString(),
    memory: `${Math.ceil(memoryBytes / 1024)}Ki`,
  };
}
