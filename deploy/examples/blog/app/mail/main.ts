import PostalMime from "postal-mime";
import { SMTPServer } from "smtp-server";
import { closeServer, serve } from "../shared/http.ts";
import { log, wordsOf } from "../shared/log.ts";
import { runUntilSignal } from "../shared/run.ts";
import { numberSetting } from "../shared/settings.ts";
import { type ReceivedMail, mailPage } from "./page.ts";

/** Mails kept, newest first: a mailbox for looking at, in memory alone. */
const MAX_MAILS = 200;
const MAX_MAIL_BYTES = 1024 * 1024;

runUntilSignal(async () => {
  const mails: ReceivedMail[] = [];

  async function receive(raw: Buffer): Promise<void> {
    const parsed = await PostalMime.parse(raw);
    mails.unshift({
      id: parsed.messageId ?? "",
      from: parsed.from?.address ?? "",
      to: (parsed.to ?? []).map((it) => it.address ?? "").join(", "),
      subject: parsed.subject ?? "",
      text: parsed.text ?? "",
      receivedAt: new Date().toISOString(),
    });
    mails.splice(MAX_MAILS);
    log("received a mail", { subject: parsed.subject });
  }

  const smtp = new SMTPServer({
    size: MAX_MAIL_BYTES,
    authOptional: true,
    disabledCommands: ["STARTTLS", "AUTH"],
    // A name server that does not answer must not delay mail.
    disableReverseLookup: true,
    onData(stream, _, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        if (stream.sizeExceeded) return done(new Error(`a mail may have ${MAX_MAIL_BYTES} bytes`));
        receive(Buffer.concat(chunks)).then(
          () => done(),
          (error: unknown) => done(new Error(wordsOf(error))),
        );
      });
    },
  });
  smtp.on("error", (error) => log("a connection failed", { error: wordsOf(error) }));
  smtp.listen(numberSetting("SMTP_PORT"));
  const server = serve(numberSetting("PORT"), (_, path) => {
    if (path === "/livez") return { status: 200, body: { ok: true } };
    if (path === "/messages") return { status: 200, body: { messages: mails } };
    if (path === "/") return { status: 200, type: "text/html; charset=utf-8", body: mailPage(mails) };
    return { status: 404 };
  });
  return async () => {
    await new Promise<void>((resolve) => smtp.close(() => resolve()));
    await closeServer(server);
  };
});
