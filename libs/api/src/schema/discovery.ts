/**
 * EndpointSlices. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import { type Infer, bool, int32, list, map, packageOf, ref, str } from "./notation.ts";
import { ObjectReference } from "./core-reference.ts";
import { ObjectMeta } from "./meta.ts";

const discovery = packageOf("io.k8s.api.discovery.v1", "discovery.k8s.io", "v1");

export const EndpointConditions = discovery("EndpointConditions", {
  ready: bool(1).explicit(),
  serving: bool(2).explicit(),
  terminating: bool(3).explicit(),
});
export interface EndpointConditions extends Infer<typeof EndpointConditions> {}

export const ForNode = discovery("ForNode", {
  name: str(1).required(),
});
export interface ForNode extends Infer<typeof ForNode> {}

export const ForZone = discovery("ForZone", {
  name: str(1).required(),
});
export interface ForZone extends Infer<typeof ForZone> {}

export const EndpointHints = discovery("EndpointHints", {
  forZones: list(1, ForZone),
  forNodes: list(2, ForNode),
});
export interface EndpointHints extends Infer<typeof EndpointHints> {}

export const Endpoint = discovery("Endpoint", {
  addresses: list(1, "string").set().required(),
  conditions: ref(2, EndpointConditions),
  hostname: str(3),
  targetRef: ref(4, ObjectReference),
  deprecatedTopology: map(5, "string"),
  nodeName: str(6),
  zone: str(7),
  hints: ref(8, EndpointHints),
});
export interface Endpoint extends Infer<typeof Endpoint> {}

export const EndpointPort = discovery.atomic("EndpointPort", {
  name: str(1).explicit(),
  protocol: str(2).oneOf("TCP", "UDP", "SCTP"),
  port: int32(3).explicit(),
  appProtocol: str(4),
});
export interface EndpointPort extends Infer<typeof EndpointPort> {}

export const EndpointSlice = discovery.kind("EndpointSlice", {
  metadata: ref(1, ObjectMeta).always(),
  endpoints: list(2, Endpoint),
  ports: list(3, EndpointPort),
  addressType: str(4).oneOf("IPv4", "IPv6", "FQDN").required(),
});
export interface EndpointSlice extends Infer<typeof EndpointSlice> {}
