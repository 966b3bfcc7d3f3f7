/**
 * The scheduler: binds pods to nodes, around @trireme/scheduling.
 *
 * Run `src/main.ts` as a process or on a thread; or put {@link createSchedulerApp} together with connections of your own,
 * as the tests do.
 */
export { type SchedulerApp, type SchedulerAppOptions, createSchedulerApp } from "./app.ts";
export { type SchedulerConfig, schedulerFlags } from "./config.ts";
