/** A container of a pod that had a process at a time, by the clock of the one kernel below all machines. */
export interface Sighting {
  readonly atMs: number;
  readonly node: string;
  readonly pod: string;
  readonly container: string;
}

/** What was acknowledged and is not there, or is not what was written. */
export function lostWrites(acknowledged: ReadonlyMap<string, string>, found: ReadonlyMap<string, string>): string[] {
  return [...acknowledged].flatMap(([name, value]) => {
    const now = found.get(name);
    if (now === value) return [];
    return [now === undefined ? `${name} is not there` : `${name} is ${now} and was acknowledged as ${value}`];
  });
}

/** Pods that ran in two containers at a time: the first container was seen again after the second had been seen. */
export function runTwice(sightings: readonly Sighting[]): string[] {
  const spans = new Map<string, { pod: string; node: string; container: string; from: number; to: number }>();
  for (const { atMs, node, pod, container } of sightings) {
    const key = `${node} ${container}`;
    const span = spans.get(key);
    if (span === undefined) spans.set(key, { pod, node, container, from: atMs, to: atMs });
    else Object.assign(span, { from: Math.min(span.from, atMs), to: Math.max(span.to, atMs) });
  }
  const all = [...spans.values()].toSorted((a, b) => a.from - b.from);
  return all.flatMap((one, i) =>
    all.slice(i + 1).flatMap((other) => {
      const together = Math.min(one.to, other.to) - other.from;
      if (one.pod !== other.pod || together < 0) return [];
      const where = `${one.container.slice(0, 8)} on ${one.node} and ${other.container.slice(0, 8)} on ${other.node}`;
      return [`${one.pod} ran in ${where} for at least ${Math.round(together)} ms`];
    }),
  );
}

/** What runs on the nodes against what the API says should: each container of each pod once, and nothing else. */
export function notOnce(running: readonly string[], wanted: readonly string[]): string[] {
  const count = (list: readonly string[], id: string): number => list.filter((one) => one === id).length;
  return [...new Set([...running, ...wanted])].flatMap((id) => {
    const [runs, should] = [count(running, id), count(wanted, id)];
    if (runs === should && runs === 1) return [];
    return [`container ${id.slice(0, 8)}: runs ${runs} times, belongs to ${should} pods`];
  });
}
