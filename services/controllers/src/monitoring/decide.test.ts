import type { EndpointSlice, Node } from "@trireme/api";
import { expect, it } from "vitest";
import { COMPONENTS, serviceOf, sliceOf } from "./decide.ts";

const of = (name: string) => COMPONENTS.find((one) => one.name === name)!;
const api = { endpoints: [{ addresses: ["10.0.0.2"] }, { addresses: ["10.0.0.1"] }] } as unknown as EndpointSlice;
const node = (name: string, address: string): Node =>
  ({ metadata: { name }, status: { addresses: [{ type: "InternalIP", address }] } }) as Node;

it("a component of servers is found on all that serve the API, whether they answer or not", () => {
  const component = of("kube-scheduler");
  const service = { ...serviceOf(component), metadata: { ...serviceOf(component).metadata, uid: "u1" } };
  const slice = sliceOf(component, service, api, [], undefined)!;
  expect(slice.endpoints?.map(({ addresses }) => addresses[0])).toEqual(["10.0.0.1", "10.0.0.2"]);
  expect(slice.ports).toEqual([{ name: "https-metrics", port: 10_259, protocol: "TCP" }]);
  expect(sliceOf(component, service, api, [], slice), "nothing to write").toBeUndefined();
  const fewer = { endpoints: [{ addresses: ["10.0.0.1"] }] } as unknown as EndpointSlice;
  expect(sliceOf(component, service, fewer, [], slice)?.endpoints).toHaveLength(1);
});

it("a component of nodes follows the nodes' addresses", () => {
  const component = of("kube-dns-metrics");
  const slice = sliceOf(
    component,
    serviceOf(component),
    api,
    [node("b", "10.0.1.2"), node("a", "10.0.1.1")],
    undefined,
  )!;
  expect(slice.endpoints?.map(({ nodeName }) => nodeName)).toEqual(["a", "b"]);
});
