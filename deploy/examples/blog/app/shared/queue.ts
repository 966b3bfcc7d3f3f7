import { createClient } from "@redis/client";
import { log, wordsOf } from "./log.ts";
import { setting } from "./settings.ts";

/** The list of mails to send. It may lose what is in it: what is due stands in the database. */
const LIST = "mails";
/** Nobody takes from a list that is so long; the worker finds the rest in the database. */
const MAX_WAITING = 10_000;
const RECONNECT_MS = 500;
const COMMAND_MS = 2_000;

export interface Queue {
  /** Says that a mail is due; answers false when Redis could not be told. */
  add(mail: string): Promise<boolean>;
  /** Waits for the next mail, at most so long; undefined when none came. */
  take(seconds: number): Promise<string | undefined>;
  isReady(): boolean;
  close(): void;
}

/** Connects to Redis at REDIS_URL, now and whenever the connection is lost. */
export function openQueue(): Queue {
  const client = createClient({
    url: setting("REDIS_URL"),
    socket: { reconnectStrategy: RECONNECT_MS, connectTimeout: COMMAND_MS },
    // What cannot be said at once is not worth saying later.
    disableOfflineQueue: true,
  });
  let told = "";
  client.on("error", (error: unknown) => {
    if (wordsOf(error) !== told) log("Redis does not answer", { error: wordsOf(error) });
    told = wordsOf(error);
  });
  client.on("ready", () => {
    told = "";
    log("connected to Redis");
  });
  void client.connect().catch((error: unknown) => log("gave up Redis", { error: wordsOf(error) }));
  return {
    async add(mail) {
      try {
        await client.multi().lPush(LIST, mail).lTrim(LIST, 0, MAX_WAITING).exec();
        return true;
      } catch (error) {
        log("could not queue a mail; the worker will find it in the database", { mail, error: wordsOf(error) });
        return false;
      }
    },
    async take(seconds) {
      const taken = await client.brPop(LIST, seconds);
      return taken?.element;
    },
    isReady: () => client.isReady,
    close: () => client.destroy(),
  };
}
