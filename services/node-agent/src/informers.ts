import type { EndpointSlice, Node, PersistentVolume, Pod, Service } from "@trireme/api";
import { ENDPOINTSLICES, NODES, PERSISTENTVOLUMES, PODS, SERVICES } from "@trireme/api";
import { podsOnNodeSubject } from "@trireme/bus";
import type { Informer, InformerFactory } from "@trireme/controller";

/** What an agent follows of the cluster. */
export interface AgentInformers {
  /** The pods bound to this node. */
  readonly pods: Informer<Pod>;
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice>;
  readonly nodes: Informer<Node>;
  readonly volumes: Informer<PersistentVolume>;
}

/** The informers of the agent of `node`. */
export function informersOf(factory: InformerFactory, node: string): AgentInformers {
  return {
    pods: factory.informer<Pod>(PODS, {
      fieldSelector: `spec.nodeName=${node}`,
      matches: (pod) => pod.spec.nodeName === node,
      subject: podsOnNodeSubject(node),
    }),
    services: factory.informer<Service>(SERVICES),
    slices: factory.informer<EndpointSlice>(ENDPOINTSLICES),
    nodes: factory.informer<Node>(NODES),
    volumes: factory.informer<PersistentVolume>(PERSISTENTVOLUMES),
  };
}
