import { TriremeError, assert } from "@trireme/base";

/** The part of an API resource that names its stream. */
export interface GroupResource {
  readonly group: string;
  readonly resource: string;
}

const PREFIX = "tri.v1";

/** NATS allows more, but these tokens come from object names and stay printable and free of wildcards. */
const TOKEN = /^[A-Za-z0-9_-]{1,253}$/;

function token(name: string): string {
  if (!TOKEN.test(name)) {
    throw new TriremeError(
      "BadRequest",
      `${JSON.stringify(name)} cannot be part of a subject: use letters, digits, - _ .`,
    );
  }
  return name;
}

/**
 * A node's token. A dot separates tokens, so it becomes `_`, which no node name holds: two names never share a token, and
 * with it a permission.
 */
function nodeToken(node: string): string {
  if (node.includes("_"))
    throw new TriremeError("BadRequest", `${JSON.stringify(node)} is not a node name: it holds "_"`);
  return token(node.replaceAll(".", "_"));
}

/** The token of a resource: its plural, then `_` and its group if it has one, e.g. `pods`, `endpointslices_discovery-k8s-io`. */
export function resourceToken(resource: GroupResource): string {
  const group = resource.group.replaceAll(".", "-");
  return token(group === "" ? resource.resource : `${resource.resource}_${group}`);
}

/** The stream of all events of one resource. */
export function eventSubject(resource: GroupResource): string {
  return `${PREFIX}.event.${resourceToken(resource)}`;
}

/** The stream of events of the pods bound to one node. */
export function podsOnNodeSubject(node: string): string {
  return `${PREFIX}.event.pods.on.${nodeToken(node)}`;
}

/** A node's heartbeat, each second. */
export function heartbeatSubject(node: string): string {
  return `${PREFIX}.heartbeat.${nodeToken(node)}`;
}

/** A node's resource samples. */
export function sampleSubject(node: string): string {
  return `${PREFIX}.sample.${nodeToken(node)}`;
}

/** A node's acknowledgements of one topic, e.g. `proxy` (EndpointSlice revisions applied). */
export function ackSubject(topic: string, node: string): string {
  return `${PREFIX}.ack.${token(topic)}.${nodeToken(node)}`;
}

/** Supervision decisions of one component's actors. */
export function actorSubject(component: string): string {
  return `${PREFIX}.actor.${token(component)}`;
}

/** Subscriptions to many subjects at once. */
export const ALL = {
  events: `${PREFIX}.event.>`,
  heartbeats: `${PREFIX}.heartbeat.>`,
  samples: `${PREFIX}.sample.>`,
  acks: `${PREFIX}.ack.>`,
} as const;

/** Acknowledgements of one topic by every node. */
export function acksOfTopic(topic: string): string {
  return `${PREFIX}.ack.${token(topic)}.*`;
}

/** Acknowledgements of every topic by one node: what a node may publish. */
export function acksOfNode(node: string): string {
  return `${PREFIX}.ack.*.${nodeToken(node)}`;
}

/** The node that a heartbeat, sample, acknowledgement or pods-on-node subject speaks of: its last token, decoded. */
export function nodeOfSubject(subject: string): string {
  return subject.slice(subject.lastIndexOf(".") + 1).replaceAll("_", ".");
}

/** Whether `subject` falls under `pattern`, as a NATS server decides it. */
export function subjectMatches(pattern: string, subject: string): boolean {
  const want = pattern.split(".");
  const have = subject.split(".");
  for (const [i, part] of want.entries()) {
    if (part === ">") {
      assert(i === want.length - 1, `">" ends a pattern: ${pattern}`);
      return have.length > i;
    }
    if (have[i] === undefined || (part !== "*" && part !== have[i])) return false;
  }
  return want.length === have.length;
}

/** Whether every subject under `inner` falls under `outer`: what a subscription's permission check asks. */
export function patternCovers(outer: string, inner: string): boolean {
  const want = outer.split(".");
  const have = inner.split(".");
  for (const [i, part] of want.entries()) {
    if (part === ">") return have.length > i;
    const other = have[i];
    if (other === undefined || other === ">") return false;
    if (part !== "*" && part !== other) return false;
  }
  return want.length === have.length;
}
