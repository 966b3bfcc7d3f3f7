import { readFileSync } from "node:fs";
import pg from "pg";
import { log, wordsOf } from "./log.ts";
import { numberSetting, setting } from "./settings.ts";

/** PostgreSQL, under a password that may change while we run. */
export interface Database {
  query<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Runs `work` in one transaction: all of it is kept, or nothing. */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;
  /** Waits for what is under way, then closes every connection. */
  close(): Promise<void>;
}

export type Query = <Row extends object>(text: string, values?: readonly unknown[]) => Promise<Row[]>;

/** The file is a link that the node moves as a whole when the Secret changes; looking each second is cheaper than any watch. */
const PASSWORD_POLL_MS = 1_000;
/** Connections of one pod; PostgreSQL's default allows 100 in all. */
const MAX_CONNECTIONS = 5;
const CONNECT_MS = 3_000;
const QUERY_MS = 5_000;
/** The database may know a new password before its file has arrived here. */
const NEW_PASSWORD_WITHIN_MS = 10_000;
const INVALID_PASSWORD = "28P01";

/**
 * Connects as the environment says: DATABASE_HOST, _PORT, _NAME, _USER and _PASSWORD_FILE. When the file changes, new
 * connections are tried under the new password, and only when they work do they take over from the old ones. So it does
 * not matter whether the database or the file is first to know, and nothing has to restart.
 */
export function openDatabase(): Database {
  const file = setting("DATABASE_PASSWORD_FILE");
  let password = readPassword(file);
  let pool = createPool(password);
  const timer = setInterval(() => void follow(), PASSWORD_POLL_MS);
  let following = false;
  let told = "";

  async function follow(): Promise<void> {
    if (following) return;
    following = true;
    try {
      const now = readPassword(file);
      if (now === password) return;
      const next = createPool(now);
      try {
        await next.query("select 1");
      } catch (error) {
        await next.end();
        throw error;
      }
      const old = pool;
      [pool, password, told] = [next, now, ""];
      log("the database's password has changed: new connections are in use");
      await old.end();
    } catch (error) {
      // Once a reason, not once a second.
      if (wordsOf(error) !== told) log("cannot follow the database's password yet", { error: wordsOf(error) });
      told = wordsOf(error);
    } finally {
      following = false;
    }
  }

  async function connect(): Promise<pg.PoolClient> {
    const deadline = Date.now() + NEW_PASSWORD_WITHIN_MS;
    for (;;) {
      try {
        return await pool.connect();
      } catch (error) {
        if ((error as { code?: unknown }).code !== INVALID_PASSWORD || Date.now() > deadline) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, PASSWORD_POLL_MS));
    }
  }

  async function withClient<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await connect();
    try {
      const result = await work(client);
      client.release();
      return result;
    } catch (error) {
      // An error that PostgreSQL itself told leaves the connection usable; after any other nobody knows.
      client.release(!(error instanceof pg.DatabaseError));
      throw error;
    }
  }

  return {
    query: (text, values) => withClient(async (client) => (await client.query(text, [...(values ?? [])])).rows),
    transaction: (work) =>
      withClient(async (client) => {
        await client.query("begin");
        try {
          const result = await work(async (text, values) => (await client.query(text, [...(values ?? [])])).rows);
          await client.query("commit");
          return result;
        } catch (error) {
          await client.query("rollback");
          throw error;
        }
      }),
    async close() {
      clearInterval(timer);
      await pool.end();
    },
  };
}

function createPool(password: string): pg.Pool {
  const pool = new pg.Pool({
    host: setting("DATABASE_HOST"),
    port: numberSetting("DATABASE_PORT"),
    database: setting("DATABASE_NAME"),
    user: setting("DATABASE_USER"),
    password,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: QUERY_MS,
    keepAlive: true,
    application_name: process.env["HOSTNAME"] ?? "blog",
  });
  // An idle connection that ends is replaced when it is needed.
  pool.on("error", (error) => log("a database connection ended", { error: wordsOf(error) }));
  return pool;
}

function readPassword(file: string): string {
  return readFileSync(file, "utf8").trim();
}
