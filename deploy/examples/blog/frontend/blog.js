// The blog's page: three views over the REST API, no framework. What people wrote only ever becomes text, never HTML.

const main = document.querySelector("#main");
const served = document.querySelector("#served");

/** A server that is being replaced, or a database that moves, is back within seconds: reading again costs nobody anything. */
const READ_WITHIN_MS = 10_000;
const RETRY_MS = 500;

const dates = new Intl.DateTimeFormat("en", { dateStyle: "long", timeStyle: "short" });

/** Makes an element; children are elements and texts. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

class ApiError extends Error {
  constructor(status, message, fields = {}) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

/** Asks the API. Only a GET is asked again, since a POST may have been done although its answer was lost. */
async function ask(path, options = {}) {
  const deadline = performance.now() + (options.method === undefined ? READ_WITHIN_MS : 0);
  for (;;) {
    try {
      return await askOnce(path, options);
    } catch (error) {
      const passing = !(error instanceof ApiError) || error.status >= 500;
      if (!passing || performance.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function askOnce(path, options) {
  const response = await fetch(path, options);
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new ApiError(response.status, answer.error ?? `The server answers ${response.status}.`, answer.fields);
}

function post(path, values) {
  return ask(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(values),
  });
}

function byline({ author, createdAt }, ...more) {
  const time = make("time", { datetime: createdAt }, dates.format(new Date(createdAt)));
  return make("p", { class: "meta" }, author, " · ", time, ...more);
}

const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

// -- views: each answers a title and what is on the page ----------------------------------------------------------------

async function listView() {
  const list = make("ol", { class: "cards", "aria-label": "Articles" });
  const more = make("button", { type: "button" }, "Older articles");
  let last;
  async function load() {
    const page = await ask(`/api/articles${last === undefined ? "" : `?before=${last}`}`);
    for (const article of page.articles) list.append(card(article));
    last = page.articles.at(-1)?.id ?? last;
    more.hidden = !page.more;
  }
  more.addEventListener("click", () => void busy(more, load).catch((error) => more.before(alarm(error))));
  await load();
  const head = make("h1", {}, "Articles");
  if (last !== undefined) return ["Articles", head, list, more];
  const empty = make("div", { class: "state" }, make("p", {}, "Nobody has written anything yet."));
  empty.append(make("a", { class: "button", href: "/write" }, "Write the first article"));
  return ["Articles", head, empty];
}

function card(article) {
  const link = make("a", { href: `/articles/${article.id}` }, article.title);
  const comments = article.comments === 0 ? [] : [` · ${counted(article.comments, "comment")}`];
  return make(
    "li",
    { class: "card" },
    make("h2", {}, link),
    byline(article, ...comments),
    make("p", {}, article.excerpt),
  );
}

async function articleView(id) {
  const article = await ask(`/api/articles/${id}`);
  const heading = make("h2", {}, "");
  const list = make("ol", { class: "cards", "aria-label": "Comments" });
  const count = () =>
    (heading.textContent = list.children.length === 0 ? "No comments yet" : counted(list.children.length, "comment"));
  const add = (one) => list.append(make("li", { class: "card" }, byline(one), make("p", { class: "text" }, one.body)));
  for (const one of article.comments) add(one);
  count();
  const form = formOf(
    "Comment",
    [
      { name: "author", label: "Your name", limit: 60, autocomplete: "name" },
      { name: "body", label: "Comment", limit: 2000, rows: 3 },
    ],
    async (values) => {
      add(await post(`/api/articles/${id}/comments`, values));
      count();
      form.reset();
    },
  );
  return [
    article.title,
    make("article", {}, make("h1", {}, article.title), byline(article), make("div", { class: "text" }, article.body)),
    make("section", { class: "comments", "aria-label": "Comments" }, heading, list, form),
  ];
}

async function writeView() {
  const form = formOf(
    "Publish",
    [
      { name: "title", label: "Title", limit: 150 },
      { name: "author", label: "Your name", limit: 60, autocomplete: "name" },
      { name: "body", label: "Article", limit: 20000, rows: 12 },
    ],
    async (values) => {
      const { id } = await post("/api/articles", values);
      await go(`/articles/${id}`);
    },
  );
  return [
    "Write",
    make("h1", {}, "Write an article"),
    make("p", { class: "lead" }, "Subscribers get a mail about it."),
    form,
  ];
}

function missingView() {
  const state = make("div", { class: "state" }, make("p", {}, "There is nothing at this address."));
  state.append(make("a", { class: "button", href: "/" }, "All articles"));
  return ["Not found", make("h1", {}, "Not found"), state];
}

function failedView(error) {
  const again = make("button", { type: "button" }, "Try again");
  again.addEventListener("click", () => void render());
  const state = make("div", { class: "state", role: "alert" }, make("p", {}, sentence(error)), again);
  return ["Not available", make("h1", {}, "That did not work"), state];
}

// -- forms --------------------------------------------------------------------------------------------------------------

function formOf(verb, fields, send) {
  const form = make("form", { novalidate: "" });
  const problems = {};
  for (const { name, label, limit, rows, autocomplete } of fields) {
    const input = make(rows === undefined ? "input" : "textarea", {
      name,
      maxlength: limit,
      required: "",
      "aria-describedby": `problem-${name}`,
      ...(rows === undefined ? { autocomplete: autocomplete ?? "off" } : { rows }),
    });
    problems[name] = { input, text: make("span", { class: "problem", id: `problem-${name}` }) };
    form.append(make("label", {}, label, input, problems[name].text));
  }
  const button = make("button", { type: "submit" }, verb);
  form.append(button);
  const tell = (told) => {
    form.querySelector(".alarm")?.remove();
    for (const [name, { input, text }] of Object.entries(problems)) {
      text.textContent = told[name] ?? "";
      input.setAttribute("aria-invalid", String(told[name] !== undefined));
    }
    Object.values(problems)
      .find(({ text }) => text.textContent !== "")
      ?.input.focus();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    tell({});
    void busy(button, () => send(Object.fromEntries(new FormData(form)))).catch((error) => {
      tell(error.fields ?? {});
      // Fields that are to blame say so themselves; what was written stays where it is.
      if (Object.keys(error.fields ?? {}).length === 0) button.before(alarm(error));
    });
  });
  return form;
}

async function busy(button, work) {
  button.disabled = true;
  try {
    await work();
  } finally {
    button.disabled = false;
  }
}

function alarm(error) {
  return make("p", { class: "alarm", role: "alert" }, sentence(error));
}

function sentence(error) {
  return error instanceof ApiError ? error.message : "The blog does not answer at the moment. Is the network there?";
}

// -- navigation ---------------------------------------------------------------------------------------------------------

function viewOf(path) {
  if (path === "/") return listView();
  if (path === "/write") return writeView();
  const id = /^\/articles\/(\d+)$/.exec(path)?.[1];
  return id === undefined ? missingView() : articleView(id);
}

let shown = 0;
/** Shorter waits are not worth a word. */
const PATIENCE_MS = 700;

/** Shows what the address says; of two at once, the later. */
async function render() {
  const turn = ++shown;
  main.setAttribute("aria-busy", "true");
  const waiting = setTimeout(() => {
    if (turn === shown) main.replaceChildren(make("p", { class: "state", role: "status" }, "One moment …"));
  }, PATIENCE_MS);
  const view = await Promise.resolve()
    .then(() => viewOf(location.pathname))
    .catch((error) => (error.status === 404 ? missingView() : failedView(error)));
  clearTimeout(waiting);
  if (turn !== shown) return;
  const [title, ...content] = view;
  document.title = `${title} · The Oar`;
  main.replaceChildren(...content);
  main.removeAttribute("aria-busy");
  void showServer();
}

async function go(path) {
  history.pushState(null, "", path);
  await render();
  scrollTo(0, 0);
  main.focus();
}

async function showServer() {
  const about = await askOnce("/api/about", {}).catch(() => undefined);
  served.textContent = about === undefined ? "" : `Served by ${about.pod}, version ${about.version}.`;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='/']");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  // The mailbox is a page of its own, of the mail server's.
  if (link === null || !plain || link.pathname.startsWith("/mail/")) return;
  event.preventDefault();
  void go(link.pathname);
});
addEventListener("popstate", () => void render());
void render();
