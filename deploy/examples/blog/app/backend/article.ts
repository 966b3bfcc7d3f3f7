import { RequestError } from "../shared/http.ts";

export interface NewArticle {
  readonly title: string;
  readonly author: string;
  readonly body: string;
}

export interface NewComment {
  readonly author: string;
  readonly body: string;
}

/** Longest texts, in characters; the page's form has the same. */
export const LIMITS = { title: 150, author: 60, body: 20_000, comment: 2_000 } as const;

/** Reads an article that somebody wants to post; says of each field what is wrong with it. */
export function toNewArticle(input: unknown): NewArticle {
  const problems: Record<string, string> = {};
  const fields = record(input);
  const article = {
    title: text(fields, "title", LIMITS.title, problems).replaceAll(/\s+/g, " "),
    author: text(fields, "author", LIMITS.author, problems).replaceAll(/\s+/g, " "),
    body: text(fields, "body", LIMITS.body, problems),
  };
  refuse(problems);
  return article;
}

/** Reads a comment that somebody wants to post. */
export function toNewComment(input: unknown): NewComment {
  const problems: Record<string, string> = {};
  const fields = record(input);
  const comment = {
    author: text(fields, "author", LIMITS.author, problems).replaceAll(/\s+/g, " "),
    body: text(fields, "body", LIMITS.comment, problems),
  };
  refuse(problems);
  return comment;
}

function record(input: unknown): Readonly<Record<string, unknown>> {
  if (typeof input === "object" && input !== null && !Array.isArray(input)) return input as Record<string, unknown>;
  throw new RequestError(400, "The body must be an object.");
}

function text(
  fields: Readonly<Record<string, unknown>>,
  name: string,
  limit: number,
  problems: Record<string, string>,
): string {
  const value = fields[name];
  // PostgreSQL's text holds every character but this one.
  const trimmed = typeof value === "string" ? value.replaceAll("\0", "").trim() : "";
  if (trimmed === "") problems[name] = "Please fill this in.";
  else if (trimmed.length > limit) problems[name] = `Please keep to ${limit} characters; these are ${trimmed.length}.`;
  return trimmed;
}

function refuse(problems: Readonly<Record<string, string>>): void {
  if (Object.keys(problems).length > 0) throw new RequestError(400, "Some fields need another look.", problems);
}
