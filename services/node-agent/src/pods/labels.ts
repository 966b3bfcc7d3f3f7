/** Labels and annotations by which the runtime's sandboxes and containers are found again; kubelet's own names. */
export const POD_NAME = "io.kubernetes.pod.name";
export const POD_NAMESPACE = "io.kubernetes.pod.namespace";
export const POD_UID = "io.kubernetes.pod.uid";
export const CONTAINER_NAME = "io.kubernetes.container.name";
export const RESTART_COUNT = "io.kubernetes.container.restartCount";
export const TERMINATION_POLICY = "io.kubernetes.container.terminationMessagePolicy";
/** Ours: the place in the row of crash delays, so that a restarted agent goes on where the last one was. */
export const CRASH_STEP = "trireme.io/crash-step";
