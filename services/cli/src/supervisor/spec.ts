/** One process that a supervisor keeps running. */
export interface ChildSpec {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Holds `{pid, startTime}`; how a successor of the supervisor finds the child again. */
  readonly pidFile: string;
  /** While this file exists the child is not started. */
  readonly holdFile?: string;
  /** An end with `code` is final: it is noted in `file`, and while that is there the child is not started. */
  readonly final?: { readonly code: number; readonly file: string };
  /** A file that the child reads again at SIGHUP: sent when it has changed. */
  readonly reloads?: string;
  /** Scheduling priority, -20 (first) to 19; ignored where it is not permitted. */
  readonly nice?: number;
}

/** What a supervisor reads from its spec file, at start and at SIGHUP. */
export interface SupervisorSpec {
  readonly name: string;
  readonly children: readonly ChildSpec[];
}

/** A process told apart from a later one that got the same pid: `startTime` is field 22 of /proc/<pid>/stat. */
export interface ProcessId {
  readonly pid: number;
  readonly startTime: string;
}
