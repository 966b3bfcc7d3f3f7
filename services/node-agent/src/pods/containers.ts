import type { Container, EphemeralContainer, Pod } from "@trireme/api";

/** Every container of a pod in the order of their turns: init, its own, and those that people added to look inside. */
export function containersOf({ spec }: Pod): (Container | EphemeralContainer)[] {
  return [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
}

/** A container by its name, which is unique in its pod. */
export function findContainer(pod: Pod, name: string): Container | EphemeralContainer | undefined {
  return containersOf(pod).find((container) => container.name === name);
}
