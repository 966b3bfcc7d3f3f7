/** A mail that is due, and the article that it is about. */
export interface DueMail {
  readonly id: string;
  readonly articleId: string;
  readonly title: string;
  readonly author: string;
  readonly excerpt: string;
}

export interface Message {
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly messageId: string;
}

/** The mail about a new article. The same mail always has the same Message-ID. */
export function toMessage(mail: DueMail, addresses: { readonly from: string; readonly to: string }): Message {
  return {
    ...addresses,
    subject: `New article: ${mail.title}`,
    text: `${mail.author} has written "${mail.title}":\n\n${mail.excerpt}\n\nRead it at /articles/${mail.articleId}\n`,
    messageId: `<mail-${mail.id}@blog.example>`,
  };
}
