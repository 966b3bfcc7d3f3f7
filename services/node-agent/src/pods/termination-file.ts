/** Where a container finds the file for its last words, unless it says otherwise. */
export const TERMINATION_PATH = "/dev/termination-log";

/** The same file among the pod's own on the node. */
export function terminationFile(container: string, attempt: number): string {
  return `termination/${container}-${attempt}`;
}
