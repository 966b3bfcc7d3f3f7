/**
 * What the API knows about its kinds: pure functions and declarations, no I/O and no clock.
 *
 * The road of a write, in the caller's order: {@link decodeStrict} (or {@link decodeProtobuf} first, whose result goes
 * through decodeStrict as well), patches ({@link jsonMergePatch}, {@link strategicMergePatch}, {@link jsonPatch},
 * {@link serverSideApply}; decode their result again), {@link applyDefaults}, {@link validateCreate} or
 * {@link validateUpdate}, whose errors become a 422 by {@link invalidObject}. {@link statusOf} turns any error into
 * the Status to send.
 *
 * Each kind is declared once, in src/schema; its name is a schema (value) and a type: `Pod`, `PodSpec`, `Deployment`...
 */
export * from "./kinds.ts";
export {
  type Field,
  type Fields,
  type GroupVersionKind,
  type Infer,
  type ListRule,
  type Message,
  type Need,
  type Scalar,
} from "./schema/notation.ts";
export * from "./resources.ts";
export { messageForKind } from "./messages.ts";
export { type Decoded, type FieldValidation, decodeStrict } from "./decode.ts";
export { SCALE_DOWN_DEFAULTS, SCALE_UP_DEFAULTS } from "./defaults/autoscaling.ts";
export { applyDefaults } from "./defaults/defaults.ts";
export { type FieldError } from "./validate/field-error.ts";
export { validateCreate, validateUpdate } from "./validate/validate.ts";
export { HTTP_STATUS, alreadyExists, conflict, invalidObject, notFound, statusOf } from "./status.ts";
export { decodeProtobuf, isProtobuf } from "./protobuf/decode.ts";
export { jsonMergePatch } from "./patch/json.ts";
export { jsonPatch } from "./patch/json-patch.ts";
export { strategicMergePatch } from "./patch/strategic.ts";
export { type ApplyRequest, type UpdateRequest, serverSideApply, trackUpdate } from "./apply/apply.ts";
export {
  AGGREGATED_DISCOVERY_TYPE,
  aggregatedDiscovery,
  apiGroup,
  apiGroupList,
  apiResourceList,
  apiVersions,
  groupVersions,
} from "./discovery.ts";
export { openApiV3, openApiV3Index } from "./openapi/openapi.ts";
export { humanAge, humanDuration } from "./table/age.ts";
export { type Column } from "./table/column.ts";
export { type PodSummary, summarizePod } from "./table/pod.ts";
export { type Table, type TableOptions, tableFor } from "./table/table.ts";
export * from "./quantity.ts";
export { CONTROLLER_ACCOUNTS, type ControllerAccount, aggregatedRules, controllerUser } from "./rbac.ts";
export * from "./selectors.ts";
export { type CronSchedule, parseCronSchedule } from "./schedule/cron.ts";
export { type PassedStarts, nextStart, passedStarts } from "./schedule/next-start.ts";
export { type OffsetAt, formatTimeIn, timeZoneOffsets } from "./schedule/time-zone.ts";
export * from "./storage-class.ts";
export { formatMicroTime, formatTime, parseTime } from "./time.ts";
export { fromBase64, toBase64 } from "./base64.ts";
