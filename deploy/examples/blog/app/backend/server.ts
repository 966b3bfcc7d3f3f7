import type { IncomingMessage } from "node:http";
import { openDatabase } from "../shared/database.ts";
import { type Answer, RequestError, closeServer, readJson, serve } from "../shared/http.ts";
import { openQueue } from "../shared/queue.ts";
import { numberSetting } from "../shared/settings.ts";
import { toNewArticle, toNewComment } from "./article.ts";
import { createArticles } from "./articles.ts";

/** Serves the blog's REST API; answers what ends it. */
export async function startBackend(): Promise<() => Promise<void>> {
  const database = openDatabase();
  const queue = openQueue();
  const articles = createArticles(database);

  async function post(request: IncomingMessage): Promise<Answer> {
    const { id, mail } = await articles.post(toNewArticle(await readJson(request)));
    void queue.add(mail);
    return { status: 201, body: { id }, headers: { location: `/api/articles/${id}` } };
  }

  async function list(request: IncomingMessage): Promise<Answer> {
    const before = new URL(request.url ?? "/", "http://localhost").searchParams.get("before");
    return { status: 200, body: await articles.list(before === null ? undefined : idOf(before)) };
  }

  async function show(id: string): Promise<Answer> {
    const article = await articles.find(idOf(id));
    if (article === undefined) throw new RequestError(404, "There is no such article.");
    return { status: 200, body: article };
  }

  async function comment(request: IncomingMessage, id: string): Promise<Answer> {
    const made = await articles.comment(idOf(id), toNewComment(await readJson(request)));
    if (made === undefined) throw new RequestError(404, "There is no such article.");
    return { status: 201, body: made };
  }

  async function readiness(): Promise<Answer> {
    await database.query("select 1");
    return {
      status: 200,
      body: { database: "ok", redis: queue.isReady() ? "ok" : "away; mails are sent a little later" },
    };
  }

  const server = serve(numberSetting("PORT"), (request, path) => {
    const [, id, comments] = /^\/api\/articles\/([^/]+)(\/comments)?$/.exec(path) ?? [];
    switch (`${request.method} ${id === undefined ? path : `/api/articles/ID${comments ?? ""}`}`) {
      case "GET /api/articles":
        return list(request);
      case "POST /api/articles":
        return post(request);
      case "GET /api/articles/ID":
        return show(id ?? "");
      case "POST /api/articles/ID/comments":
        return comment(request, id ?? "");
      case "GET /api/about":
        return { status: 200, body: { pod: process.env["HOSTNAME"], version: process.env["VERSION"] } };
      case "GET /livez":
        return { status: 200, body: { ok: true } };
      case "GET /readyz":
        return readiness();
      default:
        throw new RequestError(404, `There is no ${request.method} ${path}.`);
    }
  });
  return async () => {
    await closeServer(server);
    queue.close();
    await database.close();
  };
}

/** An id as the database has them; any other text names no article. */
function idOf(text: string): string {
  if (!/^[1-9]\d{0,17}$/.test(text)) throw new RequestError(404, "There is no such article.");
  return text;
}
