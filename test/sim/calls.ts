import type { Metadata } from "@grpc/grpc-js";
import type { Machine } from "./machine.ts";
import { world } from "./world/world.ts";

/** An error as clients hear it. */
export interface Refused {
  readonly code: number;
  readonly details: string;
}

/** An answer, or why there is none. */
export type Answer<A> = { readonly response: A; readonly error?: undefined } | { readonly error: Refused };

/** A unary call as a promise that never rejects. */
export function call<A>(run: (done: (error: Refused | null, response: A) => void) => unknown): Promise<Answer<A>> {
  return new Promise((resolve) => {
    run((error, response) => resolve(error === null ? { response } : { error }));
  });
}

/** The stand-in for gRPC has no use for metadata. */
const NO_METADATA = {} as Metadata;

/** What a unary call takes behind its request: how long its caller waits. */
export function within(ms: number): [Metadata, { deadline: number }] {
  return [NO_METADATA, { deadline: Date.now() + ms }];
}

/** A client of a service at a machine. */
export function clientOf<C>(type: new (address: string, credentials: never) => C, machine: Machine): C {
  return new type(machine.clientAddress, undefined as never);
}

/** Waits in virtual time, as somebody outside of all machines. */
export function sleepMs(ms: number): Promise<void> {
  return new Promise((resolve) => {
    world.plan(ms, resolve);
  });
}

/** Codes that say what is wrong with the request: it was judged, and refused. */
const JUDGED: ReadonlySet<number> = new Set([3, 5, 9, 11]);

/** Texts of the cluster that say that the request did not and will not happen. */
const CERTAIN: readonly string[] = [
  "etcdserver: no leader",
  "etcdserver: leader changed",
  "etcdserver: too many requests",
  "etcdserver: rpc not supported for learner",
  "connect ECONNREFUSED",
];

/** Whether a refused request certainly has no effect. */
export function isCertain({ code, details }: Refused): boolean {
  return JUDGED.has(code) || CERTAIN.includes(details);
}
