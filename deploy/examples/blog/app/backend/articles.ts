import type { Database } from "../shared/database.ts";
import type { NewArticle, NewComment } from "./article.ts";

export interface ArticleSummary {
  readonly id: string;
  readonly title: string;
  readonly author: string;
  readonly excerpt: string;
  readonly createdAt: Date;
  readonly comments: number;
}

export interface Comment {
  readonly id: string;
  readonly author: string;
  readonly body: string;
  readonly createdAt: Date;
}

export interface Article extends NewArticle {
  readonly id: string;
  readonly createdAt: Date;
  readonly comments: readonly Comment[];
}

/** Articles of one page. */
const PAGE = 20;
const MAX_COMMENTS = 500;

/** Articles and comments in the database. */
export interface Articles {
  /** The newest first; those before the article `before`, if one is given. */
  list(before?: string): Promise<{ articles: ArticleSummary[]; more: boolean }>;
  find(id: string): Promise<Article | undefined>;
  /** Keeps the article and, in the same transaction, that a mail about it is due. */
  post(article: NewArticle): Promise<{ id: string; mail: string }>;
  /** Undefined: there is no such article. */
  comment(articleId: string, comment: NewComment): Promise<Comment | undefined>;
}

export function createArticles(database: Database): Articles {
  return {
    async list(before) {
      const rows = await database.query<ArticleSummary>(
        `select id::text, title, author, left(body, 280) as excerpt, created_at as "createdAt",
                (select count(*)::int from comments where article_id = articles.id) as comments
           from articles where $1::bigint is null or id < $1::bigint order by id desc limit $2`,
        [before ?? null, PAGE + 1],
      );
      return { articles: rows.slice(0, PAGE), more: rows.length > PAGE };
    },
    async find(id) {
      const [article] = await database.query<Omit<Article, "comments">>(
        `select id::text, title, author, body, created_at as "createdAt" from articles where id = $1`,
        [id],
      );
      if (article === undefined) return undefined;
      const comments = await database.query<Comment>(
        `select id::text, author, body, created_at as "createdAt" from comments where article_id = $1 order by id limit $2`,
        [id, MAX_COMMENTS],
      );
      return { ...article, comments };
    },
    post: ({ title, author, body }) =>
      database.transaction(async (query) => {
        const [article] = await query<{ id: string }>(
          "insert into articles (title, author, body) values ($1, $2, $3) returning id::text",
          [title, author, body],
        );
        const id = article?.id ?? "";
        const [mail] = await query<{ id: string }>("insert into mails (article_id) values ($1) returning id::text", [
          id,
        ]);
        return { id, mail: mail?.id ?? "" };
      }),
    async comment(articleId, { author, body }) {
      const [comment] = await database.query<Comment>(
        `insert into comments (article_id, author, body)
         select id, $2, $3 from articles where id = $1
         returning id::text, author, body, created_at as "createdAt"`,
        [articleId, author, body],
      );
      return comment;
    },
  };
}
