/**
 * The controllers: make Deployments, ReplicaSets, EndpointSlices, nodes, owners and namespaces true.
 *
 * Run `src/main.ts` as a process or on a thread; or put {@link createControllersApp} together with connections of your
 * own, as the tests do.
 */
export { type ControllersApp, type ControllersOptions, createControllersApp } from "./app.ts";
export { type ControllersConfig, controllersFlags } from "./config.ts";
