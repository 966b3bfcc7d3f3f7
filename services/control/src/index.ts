/**
 * The composition of one server's control plane: the apiserver on the main thread, scheduler and controllers on worker
 * threads, started by file path. See DESIGN.md.
 *
 * Callers' duties: `createControl(config, log)`, `start()`, `stop()`.
 */
export { type Control, createControl, workerSpec } from "./app.ts";
export { type ControlConfig, controlFlags } from "./config.ts";
export { SupervisedWorker, type WorkerSpec } from "./worker.ts";
