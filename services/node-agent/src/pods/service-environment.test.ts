import type { Pod, Service } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { serviceEnvironment } from "./service-environment.ts";

const pod = (spec: Partial<Pod["spec"]> = {}): Pod => ({
  metadata: { name: "p", namespace: "shop" },
  spec: { containers: [], ...spec },
});
const service = (namespace: string, name: string, clusterIP: string, ports: object[]): Service =>
  ({ metadata: { namespace, name }, spec: { clusterIP, ports } }) as Service;
const services = [
  service("default", "kubernetes", "10.96.0.1", [{ name: "https", port: 443 }]),
  service("shop", "my-db", "10.96.0.9", [
    { name: "sql", port: 5432, protocol: "TCP" },
    { name: "dns-udp", port: 53, protocol: "UDP" },
  ]),
  service("shop", "headless", "None", [{ port: 1 }]),
  service("other", "elsewhere", "10.96.0.8", [{ port: 1 }]),
];

describe("serviceEnvironment", () => {
  it("names the API and the Services of the pod's namespace, as kubelet does", () => {
    expect(Object.fromEntries(serviceEnvironment(pod(), services))).toEqual({
      KUBERNETES_SERVICE_HOST: "10.96.0.1",
      KUBERNETES_SERVICE_PORT: "443",
      KUBERNETES_SERVICE_PORT_HTTPS: "443",
      KUBERNETES_PORT: "tcp://10.96.0.1:443",
      KUBERNETES_PORT_443_TCP: "tcp://10.96.0.1:443",
      KUBERNETES_PORT_443_TCP_PROTO: "tcp",
      KUBERNETES_PORT_443_TCP_PORT: "443",
      KUBERNETES_PORT_443_TCP_ADDR: "10.96.0.1",
      MY_DB_SERVICE_HOST: "10.96.0.9",
      MY_DB_SERVICE_PORT: "5432",
      MY_DB_SERVICE_PORT_SQL: "5432",
      MY_DB_SERVICE_PORT_DNS_UDP: "53",
      MY_DB_PORT: "tcp://10.96.0.9:5432",
      MY_DB_PORT_5432_TCP: "tcp://10.96.0.9:5432",
      MY_DB_PORT_5432_TCP_PROTO: "tcp",
      MY_DB_PORT_5432_TCP_PORT: "5432",
      MY_DB_PORT_5432_TCP_ADDR: "10.96.0.9",
      MY_DB_PORT_53_UDP: "udp://10.96.0.9:53",
      MY_DB_PORT_53_UDP_PROTO: "udp",
      MY_DB_PORT_53_UDP_PORT: "53",
      MY_DB_PORT_53_UDP_ADDR: "10.96.0.9",
    });
  });

  it("names the API alone when links are off, and the namespace's own `kubernetes` before it", () => {
    const off = serviceEnvironment(pod({ enableServiceLinks: false }), services);
    expect([...off.keys()].every((name) => name.startsWith("KUBERNETES_"))).toBe(true);
    const own = service("shop", "kubernetes", "10.96.0.77", [{ port: 1 }]);
    for (const all of [
      [own, ...services],
      [...services, own],
    ]) {
      expect(serviceEnvironment(pod(), all).get("KUBERNETES_SERVICE_HOST")).toBe("10.96.0.77");
    }
  });
});
