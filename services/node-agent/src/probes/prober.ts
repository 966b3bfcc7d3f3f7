import type { Container, Pod } from "@trireme/api";
import type { Clock } from "@trireme/base";
import type { ContainerFact, ProbeFact } from "../pods/facts.ts";
import type { CheckResult } from "./checks.ts";
import type { Probe } from "@trireme/api";
import type { ProbeKind, ProbeState } from "./probe-state.ts";
import { afterCheck, beginProbe, probeFact, probeOf } from "./probe-state.ts";

/** Runs the probes of all containers of the node, each on its own schedule. */
export interface Prober {
  /** From now on exactly these containers of the pod are probed; those that run already go on undisturbed. */
  sync(pod: Pod, containers: readonly ContainerFact[], ip: string): void;
  forget(uid: string): void;
  /** How the checks of the containers that run ended so far; forgotten with their container. */
  tallies(): ProbeTally[];
  stop(): void;
}

/** Outcomes of one probe of one container. */
export interface ProbeTally {
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
  readonly container: string;
  readonly kind: ProbeKind;
  successful: number;
  failed: number;
}

/** What the prober needs of the world. */
export interface ProberOptions {
  readonly clock: Clock;
  readonly check: (
    probe: Probe,
    where: { readonly container: Container; readonly containerId: string; readonly ip: string },
  ) => Promise<CheckResult>;
  readonly onFact: (uid: string, containerId: string, fact: ProbeFact) => void;
  /** Told of each failed check, for the pod's events. */
  readonly onFailure?: (pod: Pod, container: string, kind: ProbeKind, message: string) => void;
}

interface Running {
  readonly uid: string;
  readonly tallies: ReadonlyMap<ProbeKind, ProbeTally>;
  readonly cancel: () => void;
}

/** A prober. */
export function createProber(options: ProberOptions): Prober {
  const running = new Map<string, Running>();

  function start(pod: Pod, container: Container, fact: ContainerFact, ip: string): Running {
    const { clock } = options;
    const uid = pod.metadata.uid ?? "";
    // The start is known in wall-clock time; what has passed since is carried over to the monotonic clock.
    const startedAt = clock.monotonic() - Math.max(0, clock.now() - fact.startedAt);
    const states = new Map<ProbeKind, ProbeState>();
    const cancels = new Map<ProbeKind, () => void>();
    const tallies = new Map<ProbeKind, ProbeTally>();
    let over = false;
    let last = "";

    const publish = (): void => {
      const found = probeFact(container, [...states.values()]);
      const text = JSON.stringify(found);
      if (text === last) return;
      last = text;
      options.onFact(uid, fact.id, found);
    };
    const begin = (kind: ProbeKind, from: number): void => {
      const probe = probeOf(container, kind);
      if (probe === undefined || states.has(kind)) return;
      schedule(kind, probe, beginProbe(kind, probe, from, clock.monotonic()));
    };
    const schedule = (kind: ProbeKind, probe: Probe, state: ProbeState): void => {
      states.set(kind, state);
      const wait = Math.max(0, state.nextAt - clock.monotonic());
      cancels.set(
        kind,
        clock.after(wait, () => void ask(kind, probe, state)),
      );
    };
    const ask = async (kind: ProbeKind, probe: Probe, state: ProbeState): Promise<void> => {
      const result = await options.check(probe, { container, containerId: fact.id, ip });
      if (over) return;
      const { namespace = "default", name } = pod.metadata;
      const tally = tallies.get(kind) ?? {
        ...{ namespace, pod: name, uid, container: container.name, kind },
        ...{ successful: 0, failed: 0 },
      };
      tally[result.ok ? "successful" : "failed"] += 1;
      tallies.set(kind, tally);
      if (!result.ok) options.onFailure?.(pod, container.name, kind, result.message);
      const next = afterCheck(state, probe, result.ok, result.message, clock.monotonic());
      if (kind === "startup" && next.verdict === "success") {
        states.set(kind, next);
        begin("readiness", startedAt);
        begin("liveness", startedAt);
      } else if (kind === "startup" && next.verdict === "failure") {
        states.set(kind, next);
      } else {
        schedule(kind, probe, next);
      }
      publish();
    };
    if (container.startupProbe === undefined) {
      begin("readiness", startedAt);
      begin("liveness", startedAt);
    } else begin("startup", startedAt);
    publish();
    return {
      uid,
      tallies,
      cancel: () => {
        over = true;
        for (const cancel of cancels.values()) cancel();
      },
    };
  }

  function drop(id: string): void {
    running.get(id)?.cancel();
    running.delete(id);
  }

  return {
    sync(pod, containers, ip) {
      const uid = pod.metadata.uid ?? "";
      const wanted = new Map(containers.map((fact) => [fact.id, fact]));
      for (const [id, probe] of running) if (probe.uid === uid && !wanted.has(id)) drop(id);
      for (const [id, fact] of wanted) {
        const container = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find(
          (c) => c.name === fact.name,
        );
        if (container !== undefined && !running.has(id)) running.set(id, start(pod, container, fact, ip));
      }
    },
    forget(uid) {
      for (const [id, probe] of running) if (probe.uid === uid) drop(id);
    },
    tallies: () => [...running.values()].flatMap((one) => [...one.tallies.values()]),
    stop() {
      for (const id of [...running.keys()]) drop(id);
    },
  };
}
