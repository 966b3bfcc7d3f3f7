/**
 * Events of the core group. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import { type Infer, int32, microTime, packageOf, ref, str, time } from "./notation.ts";
import { ObjectReference } from "./core-reference.ts";
import { ObjectMeta } from "./meta.ts";

const core = packageOf("io.k8s.api.core.v1", "", "v1");

export const EventSeries = core("EventSeries", {
  count: int32(1),
  lastObservedTime: microTime(2),
});
export interface EventSeries extends Infer<typeof EventSeries> {}

export const EventSource = core("EventSource", {
  component: str(1),
  host: str(2),
});
export interface EventSource extends Infer<typeof EventSource> {}

export const Event = core.kind("Event", {
  metadata: ref(1, ObjectMeta).always(),
  involvedObject: ref(2, ObjectReference).required(),
  reason: str(3),
  message: str(4),
  source: ref(5, EventSource),
  firstTimestamp: time(6),
  lastTimestamp: time(7),
  count: int32(8),
  type: str(9),
  eventTime: microTime(10),
  series: ref(11, EventSeries),
  action: str(12),
  related: ref(13, ObjectReference),
  reportingComponent: str(14),
  reportingInstance: str(15),
});
export interface Event extends Infer<typeof Event> {}
