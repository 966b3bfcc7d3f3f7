import type { Pod, PodStatus } from "@trireme/api";

/** Where pods' statuses go and where ended pods are removed. The API, or a test's memory. */
export interface StatusSink {
  /** Takes the newest status of a pod; writes happen later, only the newest counts. Never throws. */
  report(pod: Pod, status: PodStatus): void;
  /** Removes the API object of a pod that has ended; succeeds when it is gone or another pod has its name. */
  remove(pod: Pod): Promise<void>;
  /** Nothing more will be said of this pod. */
  forget(uid: string): void;
}
