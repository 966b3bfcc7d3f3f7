import { openDatabase } from "../shared/database.ts";
import { log, wordsOf } from "../shared/log.ts";

/** Steps from an empty database to today's, each done once. Steps are added at the end and never changed. */
const STEPS = [
  `create table articles (
     id bigint generated always as identity primary key,
     title text not null, author text not null, body text not null,
     created_at timestamptz not null default now());
   create table comments (
     id bigint generated always as identity primary key,
     article_id bigint not null references articles on delete cascade,
     author text not null, body text not null,
     created_at timestamptz not null default now());
   create index on comments (article_id);`,
  // What has to be mailed is kept beside what it is about: Redis only says when to look.
  `create table mails (
     id bigint generated always as identity primary key,
     article_id bigint not null references articles on delete cascade,
     created_at timestamptz not null default now(),
     sent_at timestamptz);
   create index on mails (id) where sent_at is null;`,
] as const;

/** Any number will do, as long as everybody who migrates takes the same. */
const LOCK = 4_242;
/** A database that starts for the first time takes some seconds; its node may have to be found first. */
const PATIENCE_MS = 120_000;
const RETRY_MS = 500;

/** Brings the database's tables to what this version needs. Any number of pods may do it at once. */
export async function migrate(): Promise<void> {
  const database = openDatabase();
  const deadline = Date.now() + PATIENCE_MS;
  for (let told = ""; ;) {
    try {
      const done = await database.transaction(async (query) => {
        await query("select pg_advisory_xact_lock($1)", [LOCK]);
        await query("create table if not exists migrations (step int primary key, at timestamptz default now())");
        const before = await query<{ step: number }>("select step from migrations");
        const known = new Set(before.map((row) => row.step));
        const due = STEPS.map((sql, step) => ({ sql, step })).filter(({ step }) => !known.has(step));
        for (const { sql, step } of due) {
          await query(sql);
          await query("insert into migrations (step) values ($1)", [step]);
        }
        return due.length;
      });
      log("the database is up to date", { steps: done });
      break;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      if (told !== wordsOf(error)) log("the database is not ready yet", { error: wordsOf(error) });
      told = wordsOf(error);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  await database.close();
}
