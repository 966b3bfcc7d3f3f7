import { createTransport } from "nodemailer";
import { openDatabase } from "../shared/database.ts";
import { closeServer, serve } from "../shared/http.ts";
import { log, wordsOf } from "../shared/log.ts";
import { openQueue } from "../shared/queue.ts";
import { runUntilSignal } from "../shared/run.ts";
import { numberSetting, setting } from "../shared/settings.ts";
import { type DueMail, toMessage } from "./message.ts";

/** How long to wait for Redis to name a mail before looking into the database for what it forgot to name. */
const LOOK_SECONDS = 5;
/** A turn waits, asks the database and talks to the mail server; one that takes longer hangs. */
const TURN_MS = 60_000;
const RETRY_MS = 1_000;
const SMTP_MS = 10_000;

runUntilSignal(async () => {
  const database = openDatabase();
  const queue = openQueue();
  const smtp = createTransport({
    host: setting("SMTP_HOST"),
    port: numberSetting("SMTP_PORT"),
    secure: false,
    ignoreTLS: true,
    connectionTimeout: SMTP_MS,
    socketTimeout: SMTP_MS,
  });
  const addresses = { from: setting("MAIL_FROM"), to: setting("MAIL_TO") };
  let ending = false;
  let turnAt = Date.now();

  /**
   * Sends one mail that is due: the one named, or the oldest. A row is locked while its mail is sent, so that another
   * worker takes another one. Dying between sending and committing sends a mail twice, under the same Message-ID.
   */
  async function sendOne(named: string | undefined): Promise<boolean> {
    return database.transaction(async (query) => {
      const [mail] = await query<DueMail>(
        `select mails.id::text, articles.id::text as "articleId", title, author, left(body, 500) as excerpt
           from mails join articles on articles.id = article_id
          where sent_at is null and ($1::bigint is null or mails.id = $1::bigint)
          order by mails.id limit 1 for update of mails skip locked`,
        [named ?? null],
      );
      if (mail === undefined) return false;
      await smtp.sendMail(toMessage(mail, addresses));
      await query("update mails set sent_at = now() where id = $1", [mail.id]);
      log("sent a mail", { mail: mail.id, article: mail.articleId });
      return true;
    });
  }

  async function work(): Promise<void> {
    while (!ending) {
      turnAt = Date.now();
      try {
        const named = queue.isReady() ? await queue.take(LOOK_SECONDS) : undefined;
        if (named !== undefined) await sendOne(named);
        else while (!ending && (await sendOne(undefined)));
        if (!queue.isReady()) await pause(RETRY_MS);
      } catch (error) {
        if (!ending) log("could not send", { error: wordsOf(error) });
        await pause(RETRY_MS);
      }
    }
  }

  const server = serve(numberSetting("PORT"), async (_, path) => {
    if (path === "/livez") return { status: Date.now() - turnAt < TURN_MS ? 200 : 503, body: { turnAt } };
    if (path === "/readyz") {
      await database.query("select 1");
      return { status: queue.isReady() ? 200 : 503, body: { redis: queue.isReady() } };
    }
    return { status: 404 };
  });
  const working = work();
  return async () => {
    ending = true;
    // Takes a wait for Redis back; a mail that is being sent is finished.
    queue.close();
    await working;
    smtp.close();
    await closeServer(server);
    await database.close();
  };
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
