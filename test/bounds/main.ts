// ./tri test bounds: what the store may take of memory, disk and time, measured on three real processes on loopback. Without
// options the share for which continuous integration has time.
import { parseArgs } from "node:util";
import { boundBusy } from "./busy.ts";
import { boundPerf } from "./etcdctl-perf.ts";
import { boundList } from "./list.ts";
import { MB, allKept } from "./report.ts";
import { boundWrites } from "./writes.ts";

const { values } = parseArgs({
  options: {
    /** The whole: 1 GB of writes over 10 MB, more lists, busy loops, etcd's own check of performance. */
    full: { type: "boolean", default: false },
    /** One part alone: writes, list, busy, perf. */
    only: { type: "string" },
    /** How much is written, instead. */
    megabytes: { type: "string" },
    /** Size of what is written; objects with conditions and managed fields are about as large. */
    "value-bytes": { type: "string", default: "4000" },
    /** How long loops keep the processors busy. */
    minutes: { type: "string", default: "15" },
    /** Stores at normal priority beside the loops: not how they run, but what is left when raising it is forbidden. */
    unraised: { type: "boolean", default: false },
    /** Where the stores' memory is, too. */
    verbose: { type: "boolean", default: false },
  },
});
const { full, verbose } = values;

const parts: Readonly<Record<string, () => Promise<void>>> = {
  writes: () => {
    const writtenBytes = Number(values.megabytes ?? (full ? 1000 : 20)) * MB;
    const liveBytes = (full ? 10 : 1) * MB;
    return boundWrites({ writtenBytes, liveBytes, valueBytes: Number(values["value-bytes"]), verbose });
  },
  list: () => boundList({ lists: full ? 20 : 2, byClock: full }),
  busy: () => boundBusy({ minutes: Number(values.minutes), raised: !values.unraised }),
  perf: () => boundPerf("s"),
};
const chosen = values.only?.split(",") ?? (full ? Object.keys(parts) : ["writes", "list"]);
for (const name of chosen) {
  const run = parts[name];
  if (run === undefined) throw new Error(`there is no part "${name}"; there are ${Object.keys(parts).join(", ")}`);
  await run();
}
process.exit(allKept() ? 0 : 1);
