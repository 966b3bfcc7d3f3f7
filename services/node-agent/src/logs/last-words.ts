import { terminationFile } from "../pods/termination-file.ts";
import type { LastWords } from "../pods/runtime-view.ts";
import { readLog } from "./log-reader.ts";

/** How much of a log may stand in for a termination message: kubelet's bounds. */
const LINES = 80;
const BYTES = 2048;

/** Reads what a container wrote to its termination file, or the end of its log where its policy says so. */
export function lastWords(files: { readFile(uid: string, name: string): Promise<string> }): LastWords {
  return async ({ uid, fact, logPath }) => {
    const said = await files.readFile(uid, terminationFile(fact.name, fact.attempt));
    return said !== "" || logPath === "" ? said : endOfLog(logPath);
  };
}

async function endOfLog(path: string): Promise<string> {
  let end: Buffer = Buffer.alloc(0);
  const options = { follow: false, timestamps: false, tailLines: LINES };
  try {
    for await (const piece of readLog(path, options, () => true, new AbortController().signal)) {
      end = Buffer.concat([end, piece]).subarray(-BYTES);
    }
  } catch (error) {
    // A log that is gone has no last words.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return end.toString("utf8");
}
