import type { PeerCertificate } from "node:tls";
import { expect, it } from "vitest";
import { checkAgent } from "./agents.ts";

const certificate = (CN: string): PeerCertificate =>
  ({ subject: { CN }, subjectaltname: "IP Address:10.0.0.7" }) as unknown as PeerCertificate;

it("takes nobody but the node for its agent, wherever the node says it is", () => {
  expect(checkAgent("node1", "10.0.0.7", certificate("system:node:node1"))).toBeUndefined();
  expect(checkAgent("node1", "10.0.0.8", certificate("system:node:node1"))?.message).toContain("10.0.0.8");
  for (const other of ["system:node:node2", "kube-apiserver", ""]) {
    expect(checkAgent("node1", "10.0.0.7", certificate(other))?.message).toContain("is not the agent of node node1");
  }
});
