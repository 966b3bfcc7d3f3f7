// Goal: what is written over and over costs neither memory nor disk for ever. Method: many writes over few keys, through one
// pipelined session; memory and disk of each store, the most that they were and what they came to.
import { sleep } from "@trireme/base";
import { diskBytes, residentBytes } from "../bench/store/kernel.ts";
import { LoopbackStores } from "../bench/store/loopback.ts";
import { MB, MIB, expectAtMost, note } from "./report.ts";

const IN_FLIGHT = 256;
const LOOK_MS = 250;

/** Resident, whatever was written: the bound of a live set of 10 MB. */
const RSS_BOUND = 250 * MB;
const DISK_PER_LIVE_BYTE = 3;
const DISK_EXTRA_BYTES = 192 * MIB;

export interface WritesOptions {
  readonly writtenBytes: number;
  readonly liveBytes: number;
  readonly valueBytes: number;
  /** Prints where the memory is. */
  readonly verbose: boolean;
}

/** Writes, watches memory and disk, and judges. */
export async function boundWrites({ writtenBytes, liveBytes, valueBytes, verbose }: WritesOptions): Promise<void> {
  const stores = await LoopbackStores.start({ probed: verbose });
  const session = stores.session();
  try {
    const { term } = await stores.leader();
    const keys = Math.ceil(liveBytes / valueBytes);
    const puts = Math.ceil(writtenBytes / valueBytes);
    let peakDisk = 0;
    const look = setInterval(() => {
      for (const { dir } of stores.members) peakDisk = Math.max(peakDisk, diskBytes(dir));
    }, LOOK_MS);
    const started = performance.now();
    let next = 0;
    const writer = async (): Promise<void> => {
      while (next < puts) {
        const i = next++;
        await session.put({ key: `/registry/bounds/${i % keys}`, value: Buffer.alloc(valueBytes, i % 251) });
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, writer));
    const seconds = (performance.now() - started) / 1000;
    await sleep(2 * LOOK_MS);
    clearInterval(look);
    note(
      `${puts} puts of ${valueBytes} B over ${keys} keys in ${seconds.toFixed(1)} s: ${Math.round(puts / seconds)}/s`,
    );
    for (const member of stores.members) {
      const { now, peak } = residentBytes(stores.pid(member));
      expectAtMost(`${member.name}: memory, most`, peak, RSS_BOUND, "MB");
      expectAtMost(`${member.name}: memory, in the end`, now, RSS_BOUND, "MB");
      if (verbose) {
        const { memory, work } = await stores.probe(member);
        note(JSON.stringify({ work, ...memory }));
      }
    }
    expectAtMost("disk, most of any", peakDisk, DISK_PER_LIVE_BYTE * liveBytes + DISK_EXTRA_BYTES, "MB");
    expectAtMost("elections under the writes", Number((await stores.leader()).term - term), 0, "");
  } finally {
    await session.close();
    await stores.stop();
  }
}
