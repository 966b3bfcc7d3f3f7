import type { Container, Pod } from "@trireme/api";

/** Whom an image runs as: a name, or else a number; neither means root. */
export interface ImageUser {
  readonly id?: bigint;
  readonly name: string;
}

/** What a manifest says of a container's user. */
export interface UserWanted {
  readonly user: number | undefined;
  readonly nonRoot: boolean;
  /** The image's own user has to be known. */
  readonly matters: boolean;
}

/** What the manifest says: a container's own words come before the pod's. */
export function userWanted(pod: Pod, container: Container): UserWanted {
  const [own, shared] = [container.securityContext, pod.spec.securityContext];
  const user = own?.runAsUser ?? shared?.runAsUser;
  const group = own?.runAsGroup ?? shared?.runAsGroup;
  const nonRoot = own?.runAsNonRoot ?? shared?.runAsNonRoot ?? false;
  return { user, nonRoot, matters: nonRoot || (user === undefined && group !== undefined) };
}

/** Why `runAsNonRoot` forbids this container, in kubelet's words; undefined when it does not. Pure. */
export function rootRefusal({ user, nonRoot }: UserWanted, image: ImageUser, container: string): string | undefined {
  if (!nonRoot) return undefined;
  const advice = "set securityContext.runAsUser to another user";
  if (user !== undefined) {
    return user === 0 ? `container's runAsUser breaks non-root policy (container: ${container}): ${advice}` : undefined;
  }
  if (image.name !== "" && image.name !== "root") {
    return `container has runAsNonRoot and image has non-numeric user (${image.name}), cannot verify user is non-root (container: ${container}): ${advice}`;
  }
  if (image.name === "" && (image.id ?? 0n) !== 0n) return undefined;
  return `container has runAsNonRoot and image will run as root (container: ${container}): ${advice}`;
}
