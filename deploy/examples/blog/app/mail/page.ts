export interface ReceivedMail {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly receivedAt: string;
}

/** The mailbox as a page, in the blog's own clothes. */
export function mailPage(mails: readonly ReceivedMail[]): string {
  const items = mails.map(
    (mail) => `<li class="card">
        <h2>${escape(mail.subject)}</h2>
        <p class="meta">from ${escape(mail.from)} to ${escape(mail.to)} · ${escape(mail.receivedAt)}</p>
        <pre>${escape(mail.text)}</pre>
      </li>`,
  );
  const content =
    items.length === 0
      ? '<p class="state">No mail yet. Each new article sends one.</p>'
      : `<ol class="cards">${items.join("\n")}</ol>`;
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Mailbox · The Oar</title>
    <link rel="stylesheet" href="/style.css" />
  </head>
  <body>
    <header class="site"><a class="brand" href="/">The Oar</a><nav><a href="/">Articles</a></nav></header>
    <main>
      <h1>Mailbox</h1>
      <p class="lead">What the worker has sent since this mail server started. Nothing leaves the cluster.</p>
      ${content}
    </main>
  </body>
</html>
`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
