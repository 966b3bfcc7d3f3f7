import type { Clock } from "@trireme/base";
import type { Registry } from "@trireme/telemetry";
import type { Bus } from "./bus.ts";
import { listen } from "./listen.ts";
import { type PodUsage, type Sample, sampleCodec } from "./messages.ts";
import { ALL, nodeOfSubject } from "./subjects.ts";

/** What a node used so long ago says nothing about now: seven samples were missed. */
export const SAMPLE_LIFETIME_MS = 15_000;

/** More nodes than any cluster has; beyond it a new node's samples are not kept, since the senders are at fault. */
const MAX_NODES = 5_000;

interface Heard {
  readonly sample: Sample;
  readonly heardMs: number;
}

/** The newest sample of each node, as long as it is young by our own clock. */
export class SampleBook {
  private readonly clock: Clock;
  private readonly newest = new Map<string, Heard>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Listens to all nodes; returns a function that ends it. */
  follow(bus: Bus, registry?: Registry): () => void {
    const options = registry === undefined ? {} : { registry };
    const subscription = listen(
      bus,
      ALL.samples,
      sampleCodec,
      (sample, subject) => {
        // The subject is what the sender is allowed; the name inside is only what it says.
        if (sample.node === nodeOfSubject(subject)) this.note(sample);
      },
      options,
    );
    return () => subscription.unsubscribe();
  }

  /** Keeps a sample in place of the node's last one. */
  note(sample: Sample): void {
    const { node } = sample;
    if (!this.newest.has(node) && this.newest.size >= MAX_NODES) this.forgetOld();
    if (!this.newest.has(node) && this.newest.size >= MAX_NODES) return;
    this.newest.set(node, { sample, heardMs: this.clock.monotonic() });
  }

  /** What the node said last, unless that is too long ago. */
  node(name: string): Sample | undefined {
    const heard = this.newest.get(name);
    if (heard === undefined) return undefined;
    if (this.isYoung(heard)) return heard.sample;
    this.newest.delete(name);
    return undefined;
  }

  /** What a pod uses by the word of the node that it is bound to, and when the node said so. */
  pod(node: string, namespace: string, name: string): (PodUsage & { readonly atMs: number }) | undefined {
    const sample = this.node(node);
    const key = `${namespace}/${name}`;
    if (sample === undefined || !Object.hasOwn(sample.pods, key)) return undefined;
    return { ...sample.pods[key]!, atMs: sample.atMs };
  }

  private isYoung({ heardMs }: Heard): boolean {
    return this.clock.monotonic() - heardMs <= SAMPLE_LIFETIME_MS;
  }

  private forgetOld(): void {
    for (const [name, heard] of this.newest) if (!this.isYoung(heard)) this.newest.delete(name);
  }
}
