import type { Message } from "../schema/notation.ts";
import { ACCESS_TEXTS } from "./texts/access.ts";
import { BATCH_TEXTS } from "./texts/batch.ts";
import { AUTHORIZATION_TEXTS } from "./texts/authorization.ts";
import { AUTOSCALING_TEXTS } from "./texts/autoscaling.ts";
import { CLUSTER_TEXTS } from "./texts/cluster.ts";
import { CONTAINER_TEXTS } from "./texts/container.ts";
import { DETAIL_TEXTS } from "./texts/details.ts";
import { META_TEXTS } from "./texts/meta.ts";
import { POD_TEXTS } from "./texts/pod.ts";
import { POLICY_TEXTS } from "./texts/policy.ts";
import { SET_TEXTS } from "./texts/sets.ts";
import { STORAGE_TEXTS } from "./texts/storage.ts";
import type { Text } from "./texts/text.ts";
import { WORKLOAD_TEXTS } from "./texts/workloads.ts";

const texts: ReadonlyMap<Message, Text> = new Map(
  [
    META_TEXTS,
    WORKLOAD_TEXTS,
    SET_TEXTS,
    BATCH_TEXTS,
    POD_TEXTS,
    CONTAINER_TEXTS,
    CLUSTER_TEXTS,
    AUTOSCALING_TEXTS,
    STORAGE_TEXTS,
    POLICY_TEXTS,
    AUTHORIZATION_TEXTS,
    DETAIL_TEXTS,
    ACCESS_TEXTS,
  ]
    .flat()
    .map((text) => [text.message, text]),
);

const COMMON: Readonly<Record<string, string>> = {
  apiVersion: "The group and version in which this object is written.",
  kind: "What this object is.",
  metadata: "Name, namespace, labels and the like.",
};

/** What `kubectl explain` says of a message, if anything. */
export function describeMessage(message: Message): string | undefined {
  return texts.get(message)?.about;
}

/** What `kubectl explain` says of a field, if anything. */
export function describeField(message: Message, field: string): string | undefined {
  const own = texts.get(message)?.fields[field];
  return own ?? (message.kind === undefined ? undefined : COMMON[field]);
}
