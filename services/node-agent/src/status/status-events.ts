import type { Container, Pod, PodStatus } from "@trireme/api";
import { podNameOf } from "./pod-status.ts";

/** An event that a change of status is worth. */
export interface StatusEvent {
  readonly type: "normal" | "warning";
  readonly reason: string;
  readonly message: string;
}

/** What kubelet tells when a container begins to wait: for its next start, or for its image. Pure. */
export function statusEvents(pod: Pod, before: PodStatus | undefined, after: PodStatus): StatusEvent[] {
  const out: StatusEvent[] = [];
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
    const reason = waitingReason(after, container);
    if (reason === undefined || reason === waitingReason(before, container)) continue;
    if (reason === "CrashLoopBackOff") {
      const message = `Back-off restarting failed container ${container.name} in pod ${podNameOf(pod)}`;
      out.push({ type: "warning", reason: "BackOff", message });
    }
    if (reason === "ImagePullBackOff") {
      out.push(
        { type: "normal", reason: "BackOff", message: `Back-off pulling image "${container.image}"` },
        { type: "warning", reason: "Failed", message: "Error: ImagePullBackOff" },
      );
    }
  }
  return out;
}

function waitingReason(status: PodStatus | undefined, { name }: Container): string | undefined {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return all.find((one) => one.name === name)?.state?.waiting?.reason;
}
