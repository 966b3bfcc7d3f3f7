import { describe, expect, it } from "vitest";
import { LIMITS, toNewArticle, toNewComment } from "./backend/article.ts";
import { mailPage } from "./mail/page.ts";
import { RequestError } from "./shared/http.ts";
import { toMessage } from "./worker/message.ts";

function refusal(read: () => unknown): RequestError {
  try {
    read();
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

describe("an article", () => {
  it("is taken without the spaces around it", () => {
    expect(toNewArticle({ title: " Two\nlines ", author: "Ada", body: "\n  a\n\n  b \n" })).toEqual({
      title: "Two lines",
      author: "Ada",
      body: "a\n\n  b",
    });
  });

  it("is refused with a word for each field", () => {
    const long = "x".repeat(LIMITS.title + 1);
    expect(refusal(() => toNewArticle({ title: long, author: "  ", body: 7 })).fields).toEqual({
      title: "Please keep to 150 characters; these are 151.",
      author: "Please fill this in.",
      body: "Please fill this in.",
    });
    expect(refusal(() => toNewArticle([])).message).toBe("The body must be an object.");
    expect(refusal(() => toNewComment({ author: "Ada", body: "\0" })).fields).toEqual({ body: "Please fill this in." });
  });
});

describe("a mail", () => {
  const mail = { id: "7", articleId: "3", title: "A <b>title</b>", author: "Ada", excerpt: "It begins." };
  const message = toMessage(mail, { from: "blog@blog.example", to: "readers@blog.example" });

  it("has the same Message-ID however often it is sent", () => {
    expect(message.messageId).toBe("<mail-7@blog.example>");
    expect(message.text).toContain("/articles/3");
  });

  it("is only text on the mailbox's page", () => {
    const received = { ...message, id: message.messageId, receivedAt: "2026-11-22T13:00:00Z" };
    expect(mailPage([received])).toContain("<h2>New article: A &lt;b&gt;title&lt;/b&gt;</h2>");
    expect(mailPage([])).toContain("No mail yet.");
  });
});
