import type { Deployment, Node, Pod } from "@trireme/api";
import { expect, it } from "vitest";
import { type StateSource, renderState, statePage } from "./page.ts";

const NONE: StateSource = {
  pods: [],
  deployments: [],
  replicaSets: [],
  statefulSets: [],
  daemonSets: [],
  jobs: [],
  cronJobs: [],
  autoscalers: [],
  nodes: [],
  namespaces: [],
  services: [],
  volumes: [],
  claims: [],
  budgets: [],
  reads: [],
};

it("an object's series are told by the elected server alone", async () => {
  const source = { ...NONE, reads: [{ resource: "pods", result: "success", lists: 2, watches: 1 }] } as StateSource;
  expect(
    await statePage(
      () => false,
      () => source,
    )(),
  ).toBe("");
  expect(
    await statePage(
      () => true,
      () => source,
    )(),
  ).toContain('kube_state_metrics_list_total{resource="pods",result="success"} 2');
});

it("pods are told with what waits and what was asked for, nodes and Deployments with their conditions", () => {
  const pod = {
    metadata: { name: "p", namespace: "ns", uid: "u" },
    spec: {
      nodeName: "n1",
      containers: [{ name: "c", resources: { requests: { cpu: "250m", memory: "1Gi" } } }],
    },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: "False" }],
      containerStatuses: [
        {
          ...{ name: "c", ready: false, restartCount: 4, image: "i", imageID: "", state: {} },
          ...{ state: { waiting: { reason: "CrashLoopBackOff" } } },
        },
      ],
    },
  } as unknown as Pod;
  const node = { metadata: { name: "n1" }, status: { conditions: [{ type: "Ready", status: "Unknown" }] } };
  const deployment = {
    metadata: { name: "d", namespace: "ns", generation: 2 },
    spec: { replicas: 3 },
    status: { conditions: [{ type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded" }] },
  };
  const text = renderState({
    ...NONE,
    pods: [pod],
    nodes: [node as unknown as Node],
    deployments: [deployment as unknown as Deployment],
  });
  for (const line of [
    'kube_pod_container_status_waiting_reason{namespace="ns",pod="p",uid="u",container="c",reason="CrashLoopBackOff"} 1',
    'kube_pod_container_status_restarts_total{namespace="ns",pod="p",uid="u",container="c"} 4',
    'kube_pod_container_resource_requests{namespace="ns",pod="p",uid="u",container="c",node="n1",resource="cpu",unit="core"} 0.25',
    'kube_pod_container_resource_requests{namespace="ns",pod="p",uid="u",container="c",node="n1",resource="memory",unit="byte"} 1073741824',
    'kube_pod_status_ready{namespace="ns",pod="p",uid="u",condition="false"} 1',
    'kube_node_status_condition{node="n1",condition="Ready",status="unknown"} 1',
    'kube_node_status_condition{node="n1",condition="Ready",status="true"} 0',
    'kube_deployment_spec_replicas{namespace="ns",deployment="d"} 3',
    'kube_deployment_status_condition{namespace="ns",deployment="d",condition="Progressing",reason="ProgressDeadlineExceeded",status="false"} 1',
  ]) {
    expect(text.split("\n")).toContain(line);
  }
});
