/**
 * The bus: fast and forgetful hints between the parts, over NATS.
 *
 * Callers' duties: build subjects with the functions here, encode and decode with the codecs here, and treat every
 * message as a hint that may be lost, doubled, late or out of order. Never wait for the bus: `publish` drops while it is
 * disconnected, and whatever matters is found again by reading the API.
 */
export {
  type Bus,
  type BusHandler,
  type BusRefusal,
  type BusStatus,
  MAX_PAYLOAD_BYTES,
  MAX_STREAM_OBJECT_BYTES,
  type SubscribeOptions,
  type Subscription,
} from "./bus.ts";
export { type Codec, PAYLOAD_VERSION, createCodec } from "./codec.ts";
export {
  type NatsCredentials,
  type NatsSigner,
  type NatsUserClaims,
  createAccount,
  createOperator,
  createUser,
  createUserSeed,
  readClaims,
  signUser,
} from "./jwt.ts";
export {
  type Ack,
  type ActorDecision,
  type EventType,
  type Heartbeat,
  type PodUsage,
  type Sample,
  type StreamBookmark,
  type StreamEvent,
  type StreamMessage,
  type Usage,
  ackCodec,
  actorDecisionCodec,
  heartbeatCodec,
  sampleCodec,
  streamCodec,
} from "./messages.ts";
export { SAMPLE_LIFETIME_MS, SampleBook } from "./sample-book.ts";
export { publicKeyOfSeed } from "./nkeys.ts";
export {
  type BusPermissions,
  controllersPermissions,
  dnsPermissions,
  nodePermissions,
  relayPermissions,
  schedulerPermissions,
} from "./permissions.ts";
export {
  NATS_CLIENT_PORT,
  NATS_MONITOR_PORT,
  NATS_ROUTE_PORT,
  type NatsServerOptions,
  natsServerConfig,
} from "./server-config.ts";
export {
  ALL,
  type GroupResource,
  ackSubject,
  acksOfNode,
  acksOfTopic,
  actorSubject,
  eventSubject,
  heartbeatSubject,
  nodeOfSubject,
  patternCovers,
  podsOnNodeSubject,
  resourceToken,
  sampleSubject,
  subjectMatches,
} from "./subjects.ts";
export { type ListenOptions, listen } from "./listen.ts";
export { type Envelope, type MemoryHub, type Network, createMemoryHub } from "./memory-bus.ts";
export { type BusTls, NATS_TLS_NAME, type NatsBusOptions, createNatsBus } from "./nats-bus.ts";
export { type StreamPosition, type StreamVerdict, judgeStreamMessage } from "./stream-position.ts";
export { type StreamChange, StreamPublisher, type StreamPublisherOptions } from "./stream-publisher.ts";
