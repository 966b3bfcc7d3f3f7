import type { ContainerStatus, Pod } from "@trireme/api";
import { describe, expect, it } from "vitest";
import type { ContainerFact } from "../pods/facts.ts";
import { chooseInstance } from "./pod-logs.ts";

const pod = (state: ContainerStatus["state"]): Pod => ({
  metadata: { name: "p", namespace: "ns" },
  spec: { containers: [{ name: "c" }] },
  status: {
    containerStatuses: [{ name: "c", ready: false, restartCount: 0, image: "", imageID: "", ...(state && { state }) }],
  },
});
const life = (attempt: number, state: ContainerFact["state"]): ContainerFact =>
  ({ id: `c-${attempt}`, name: "c", attempt, state }) as ContainerFact;
const waiting = (reason: string) => pod({ waiting: { reason } });

/** The id of the instance that is chosen, or what is said instead. */
function choose(of: Pod, all: ContainerFact[], previous = false): string {
  try {
    return chooseInstance(of, "c", all, previous).id;
  } catch (error) {
    return (error as Error).message;
  }
}

describe("chooseInstance", () => {
  const running = pod({ running: {} });
  const crashed = waiting("CrashLoopBackOff");
  const ended = pod({ terminated: { exitCode: 0 } });
  const none = 'previous terminated container "c" in pod "p" not found';
  it.each<[string, Pod, ContainerFact[], boolean, string]>([
    ["running", running, [life(1, "running"), life(0, "exited")], false, "c-1"],
    ["running, its former life", running, [life(1, "running"), life(0, "exited")], true, "c-0"],
    ["running, first life", running, [life(0, "running")], true, none],
    ["backing off", crashed, [life(1, "exited"), life(0, "exited")], false, "c-1"],
    ["backing off, its former life", crashed, [life(1, "exited"), life(0, "exited")], true, "c-1"],
    ["ended for good", ended, [life(0, "exited")], false, "c-0"],
    ["ended for good, no former life", ended, [life(0, "exited")], true, none],
    ["created again, not started", crashed, [life(1, "created"), life(0, "exited")], false, "c-0"],
    ["created again, its former life", crashed, [life(1, "created"), life(0, "exited")], true, "c-0"],
    ["not begun", waiting("ContainerCreating"), [], false, said("ContainerCreating")],
    ["no image", waiting("ErrImagePull"), [], false, said("image can't be pulled")],
    ["still no image", waiting("ImagePullBackOff"), [], false, said("trying and failing to pull image")],
    ["bad settings", waiting("CreateContainerConfigError"), [], false, said("CreateContainerConfigError")],
  ])("%s", (_, of, all, previous, expected) => {
    expect(choose(of, all, previous)).toBe(expected);
  });
});

function said(why: string): string {
  return `container "c" in pod "p" is waiting to start: ${why}`;
}
