import type { Node, NodeCondition, NodeStatus } from "@trireme/api";
import { LOCAL_PATH_ROOT } from "@trireme/api";
import { timeOf } from "../status/pod-status.ts";

/** What the machine is. Read once at the start. */
export interface MachineFacts {
  readonly name: string;
  readonly address: string;
  /** The directory below which volumes of the built-in class are made. */
  readonly localPathRoot: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly architecture: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  readonly machineId: string;
  readonly bootId: string;
  readonly runtimeVersion: string;
  readonly agentVersion: string;
}

/** What changes while the agent runs. */
export interface NodeHealth {
  readonly runtimeReady: boolean;
  /** Why not, for people. */
  readonly runtimeMessage: string;
  readonly networkReady: boolean;
  readonly memoryPressure: boolean;
  readonly diskPressure: boolean;
}

/** Pods that one node takes, Kubernetes' default; the node's CIDR has room for them. */
export const MAX_PODS = 110;
/** The port of the agent's own HTTPS server. */
export const AGENT_PORT = 10250;

/** The Node object as it is first registered. Pure. */
export function newNode(machine: MachineFacts, health: NodeHealth, now: number): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: machine.name, labels: labelsOf(machine), annotations: annotationsOf(machine) },
    spec: {},
    status: nodeStatus(machine, health, undefined, now),
  };
}

/** The labels that say what the machine is. */
export function labelsOf(machine: MachineFacts): Record<string, string> {
  return {
    "kubernetes.io/hostname": machine.name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": machine.architecture,
    "beta.kubernetes.io/os": "linux",
    "beta.kubernetes.io/arch": machine.architecture,
  };
}

/** The annotations that say what the machine offers. */
export function annotationsOf({ localPathRoot }: MachineFacts): Record<string, string> {
  return { [LOCAL_PATH_ROOT]: localPathRoot };
}

/** The node's status. `last` keeps the times of transition, and what other actors wrote. Pure. */
export function nodeStatus(
  machine: MachineFacts,
  health: NodeHealth,
  last: NodeStatus | undefined,
  now: number,
): NodeStatus {
  const resources = {
    cpu: String(machine.cpus),
    memory: `${Math.floor(machine.memoryBytes / 1024)}Ki`,
    "ephemeral-storage": `${Math.floor(machine.diskBytes / 1024)}Ki`,
    pods: String(MAX_PODS),
  };
  return {
    ...last,
    capacity: resources,
    allocatable: resources,
    conditions: conditionsOf(health, last, now),
    addresses: [
      { type: "InternalIP", address: machine.address },
      { type: "Hostname", address: machine.name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: AGENT_PORT } },
    nodeInfo: {
      machineID: machine.machineId,
      systemUUID: machine.machineId,
      bootID: machine.bootId,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion: machine.runtimeVersion,
      kubeletVersion: machine.agentVersion,
      kubeProxyVersion: machine.agentVersion,
      operatingSystem: "linux",
      architecture: machine.architecture,
    },
  };
}

function conditionsOf(health: NodeHealth, last: NodeStatus | undefined, now: number): NodeCondition[] {
  const make = (type: string, bad: boolean, good: [string, string], poor: [string, string]): NodeCondition => {
    const negative = type !== "Ready";
    const status = bad === negative ? "True" : "False";
    const old = last?.conditions?.find((condition) => condition.type === type);
    const since = old?.status === status ? old.lastTransitionTime : undefined;
    const [reason, message] = bad ? poor : good;
    return { type, status, reason, message, lastHeartbeatTime: timeOf(now), lastTransitionTime: since ?? timeOf(now) };
  };
  const ready = health.runtimeReady && health.networkReady;
  const why = health.runtimeReady ? "the node has no pod network yet" : health.runtimeMessage;
  const ours: NodeCondition[] = [
    make(
      "MemoryPressure",
      health.memoryPressure,
      ["KubeletHasSufficientMemory", "the node has sufficient memory available"],
      ["KubeletHasInsufficientMemory", "the node is short of memory"],
    ),
    make(
      "DiskPressure",
      health.diskPressure,
      ["KubeletHasNoDiskPressure", "the node has no disk pressure"],
      ["KubeletHasDiskPressure", "the node is short of disk space"],
    ),
    make(
      "PIDPressure",
      false,
      ["KubeletHasSufficientPID", "the node has sufficient process ids available"],
      ["KubeletHasInsufficientPID", "the node is short of process ids"],
    ),
    make("Ready", !ready, ["KubeletReady", "the node's agent is ready"], ["KubeletNotReady", why]),
  ];
  const types = new Set(ours.map((condition) => condition.type));
  return [...(last?.conditions ?? []).filter((condition) => !types.has(condition.type)), ...ours];
}
