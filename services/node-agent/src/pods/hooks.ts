import type { Container, Pod } from "@trireme/api";
import type { ContainerFact, HookFact } from "./facts.ts";

/**
 * How far the postStart hook of a running container is; undefined: it must be begun. A container without a hook is done.
 * What was reported as running had its hook under an earlier agent; one that died in between runs it again, since a hook
 * runs at least once.
 */
export function hookOf(
  pod: Pod,
  container: Container,
  running: ContainerFact,
  hooks: Readonly<Record<string, HookFact>>,
): HookFact | undefined {
  if (container.lifecycle?.postStart === undefined) return "done";
  const known = hooks[running.id];
  if (known !== undefined) return known;
  const reported = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const before = reported.find((status) => status.containerID === `containerd://${running.id}`);
  return before?.state?.running === undefined ? undefined : "done";
}
