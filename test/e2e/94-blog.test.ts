/**
 * Goal: the example blog does what its README says, as a person in front of a browser sees it. Method: one command brings
 * it up; headless Chromium reads and writes; meanwhile its backend is rolled, its database's password rotated, its database's
 * pod deleted and its database's node drained.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type Page, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Any,
  ensureCluster,
  getJson,
  isReady,
  kubectl,
  leaveNamespace,
  livePods,
  ROOT,
  tri,
  tryKubectl,
} from "./cluster.ts";
import { fetchText } from "./http.ts";
import { expectThat, within } from "./process.ts";

const NS = "blog";
const CHROMIUM = "/usr/bin/chromium";
/** Without a sandbox of its own: as root it has none. The rest keeps it from calling home. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

const READERS = 6;

let url = "";
let browser: Browser;
let page: Page;
/** Answers of the server that were errors, and requests that got none, since the test emptied it. */
const failures: string[] = [];
const figures: string[] = [];

function figure(what: string, since: number): void {
  figures.push(`${what} ${((performance.now() - since) / 1000).toFixed(1)} s`);
}

/** Posts an article as a person does, and waits until the browser shows it; answers its address. */
async function write(title: string, body: string): Promise<string> {
  await page.goto(url);
  await page.getByRole("link", { name: "Write", exact: true }).click();
  await page.getByLabel("Title").fill(title);
  await page.getByLabel("Your name").fill("Ada");
  await page.getByLabel("Article", { exact: true }).fill(body);
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByRole("heading", { level: 1, name: title }).waitFor();
  return page.url();
}

/** Opens the list anew and waits for an article in it. */
async function reloadUntilSeen(title: string): Promise<void> {
  await page.goto(url);
  await page.getByRole("link", { name: title }).waitFor({ timeout: 15_000 });
}

async function rolledOut(name: string): Promise<void> {
  await kubectl("rollout", "status", name, "-n", NS, "--timeout=60s");
}

/** The database's one pod, once it is ready; `isNew` may ask for another than before. */
async function databaseReady(isNew: (pod: Any) => boolean): Promise<Any> {
  return within(60_000, "the database is ready", async () => {
    const [pod] = await livePods("app=postgres", NS);
    if (pod !== undefined && isNew(pod) && isReady(pod)) return pod;
    const { stdout, stderr } = await tryKubectl(["logs", "-n", NS, "postgres-0", "--tail=5"]);
    throw new Error(`${JSON.stringify(pod?.status)}\n${stdout}${stderr}`);
  });
}

/** Runs one SQL statement inside the database's container, as its superuser. */
async function sql(statement: string): Promise<string> {
  const psql = ["/usr/lib/postgresql/15/bin/psql", "-h", "/run/postgresql", "-U", "postgres", "-d", "blog", "-Atc"];
  return (await kubectl("exec", "-n", NS, "postgres-0", "--", ...psql, statement)).trim();
}

describe("the example blog", () => {
  beforeAll(async () => {
    if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is not there; ./tri test e2e installs it`);
    await ensureCluster();
    await tryKubectl(["delete", "namespace", NS, "--ignore-not-found", "--timeout=60s"]);
    const started = performance.now();
    // With images to build and packages to fetch it takes longer than any other command.
    const said = await tri(["up", "-f", "deploy/examples/blog"], { timeoutMs: 280_000 });
    if (said.code !== 0) throw new Error(`tri up: exit ${said.code}\n${said.stdout}\n${said.stderr}`);
    figure("up", started);
    url = said.stdout.trim().split("\n").at(-1)!;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    page = await browser.newPage();
    page.setDefaultTimeout(15_000);
    page.on("response", (it) => void (it.status() >= 400 && failures.push(`${it.status()} ${it.url()}`)));
    page.on("requestfailed", (it) => {
      // A page that is left takes its requests back.
      const why = it.failure()?.errorText ?? "";
      if (why !== "net::ERR_ABORTED") failures.push(`${why} ${it.url()}`);
    });
    page.on("pageerror", (error) => failures.push(error.message));
  }, 400_000);
  afterAll(async () => {
    await browser?.close();
    await leaveNamespace(NS);
    process.stdout.write(`blog: ${figures.join(", ")}\n`);
  });

  it("takes an article and a comment from a browser, and a mail about it is received", async () => {
    await page.goto(url);
    await page.getByText("Nobody has written anything yet.").waitFor();
    await page.goto(`${url}articles/99`);
    await page.getByText("There is nothing at this address.").waitFor();
    // That there is no such article is an answer, and the only error so far.
    expect(failures.splice(0)).toEqual([`404 ${url}api/articles/99`]);

    await write("Three banks of oars", "One man to an oar.\n\n<b>Not bold</b>, since it is only text.");
    expect(await page.locator(".text").first().textContent()).toContain("<b>Not bold</b>");
    await page.getByLabel("Your name").fill("Lena");
    await page.getByLabel("Comment", { exact: true }).fill("Who beats the time?");
    await page.getByRole("button", { name: "Comment" }).click();
    await page.getByRole("heading", { name: "1 comment" }).waitFor();
    mkdirSync(join(ROOT, ".build/reports"), { recursive: true });
    await page.screenshot({ path: join(ROOT, ".build/reports/blog.png") });
    const posted = performance.now();
    await within(15_000, "a mail about the article is received", async () => {
      const { messages } = JSON.parse(await fetchText(`${url}mail/messages`)) as Any;
      expectThat(messages.length === 1, `${messages.length} mails`);
      expect(messages[0]).toMatchObject({
        subject: "New article: Three banks of oars",
        from: "blog@blog.example",
        to: "readers@blog.example",
      });
    });
    figure("mail", posted);
    await page.getByRole("link", { name: "Mailbox" }).click();
    await page.getByRole("heading", { name: "New article: Three banks of oars" }).waitFor();

    await page.goto(`${url}write`);
    await page.getByRole("button", { name: "Publish" }).click();
    await page.getByText("Please fill this in.").first().waitFor();
    expect(failures.splice(0)).toEqual([`400 ${url}api/articles`]);
  });

  it("works from the browser throughout a rolling update of the backend", async () => {
    const started = performance.now();
    const image = "trireme.local/blog-backend:2";
    const served = new Set<string>();
    let reloads = 0;
    const reload = async (): Promise<void> => {
      await reloadUntilSeen("Three banks of oars");
      served.add(/version \d/.exec((await page.locator("#served", { hasText: "version" }).textContent()) ?? "")![0]);
      reloads += 1;
    };
    await reload();
    let rolling = true;
    const roll = async (): Promise<void> => {
      await kubectl("set", "image", "deployment/backend", `backend=${image}`, `migrate=${image}`, "-n", NS);
      await rolledOut("deployment/backend");
    };
    const done = roll().finally(() => (rolling = false));
    while (rolling) await reload();
    await done;
    await reload();
    figure(`rollout with ${reloads} reloads`, started);
    expect(failures).toEqual([]);
    expect([...served]).toEqual(["version 1", "version 2"]);
  });

  it("gets a rotated password as a file within 60 s, and posting works on", async () => {
    const before = await livePods("app in (backend,worker,postgres)", NS);
    const restarts = (pods: Any[]): string[] =>
      pods.flatMap((pod) => pod.status.containerStatuses.map((it: Any) => `${pod.metadata.uid} ${it.restartCount}`));
    const started = performance.now();
    const since = await sql("select now()");
    const patch = JSON.stringify({ stringData: { password: "rotated once" } });
    await kubectl("patch", "secret", "database", "-n", NS, "-p", patch);
    await within(60_000, "the new password is a file in every pod", async () => {
      for (const { metadata } of before) {
        const file = "/run/secrets/database/password";
        expect(await kubectl("exec", "-n", NS, metadata.name, "--", "cat", file)).toBe("rotated once");
      }
    });
    figure("password as file", started);
    await within(30_000, "only connections under the new password are left", async () => {
      const old = `select count(*) from pg_stat_activity where usename = 'blog' and backend_start < '${since}'`;
      expect(await sql(old)).toBe("0");
    });
    figure("password in use", started);
    await write("After the rotation", "Nobody had to restart.");
    expect(failures).toEqual([]);
    // Whoever was there is, and was not started again; the autoscaler may have added some meanwhile.
    expect(restarts(await livePods("app in (backend,worker,postgres)", NS))).toEqual(
      expect.arrayContaining(restarts(before)),
    );
    // The old one is worth nothing any more.
    const login = [
      "env",
      "PGPASSWORD=change-me-on-a-real-cluster",
      "/usr/lib/postgresql/15/bin/psql",
      "-h",
      "postgres",
    ];
    const refused = await tryKubectl(["exec", "-n", NS, "postgres-0", "--", ...login, "-U", "blog", "-c", "select 1"]);
    expect(refused.stderr).toContain("password authentication failed");
  });

  it("grows under load", async () => {
    // Each reader asks again when it has its answer: busy, and no more than the machine can carry.
    let reading = true;
    const read = async (): Promise<void> => {
      while (reading) await fetchText(`${url}api/articles`, 15_000);
    };
    const readers = Promise.all(Array.from({ length: READERS }, read));
    const started = performance.now();
    try {
      await within(60_000, "the autoscaler asks for more backends", async () => {
        const { status } = await getJson("hpa", "backend", "-n", NS);
        expectThat(status.desiredReplicas > 2, JSON.stringify(status));
      });
      figure("autoscaled", started);
    } finally {
      reading = false;
      await readers;
    }
  });

  it("keeps its articles when the database's pod is deleted", async () => {
    const [pod] = await livePods("app=postgres", NS);
    const started = performance.now();
    await kubectl("delete", "pod", "postgres-0", "-n", NS, "--timeout=60s");
    await databaseReady((now) => now.metadata.uid !== pod.metadata.uid);
    await reloadUntilSeen("After the rotation");
    figure("database pod replaced", started);
    await write("After the deletion", "Still here.");
  });

  it("says why the database waits while its node is drained, and is back with its articles afterwards", async () => {
    const [pod] = await livePods("app=postgres", NS);
    const node = pod.spec.nodeName;
    const started = performance.now();
    try {
      await kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s");
      await within(20_000, "the waiting pod says why", async () => {
        const [waiting] = await livePods("app=postgres", NS);
        expectThat(waiting !== undefined && waiting.metadata.uid !== pod.metadata.uid, "not replaced yet");
        const scheduled = (waiting.status.conditions ?? []).find((it: Any) => it.type === "PodScheduled");
        expectThat(scheduled?.status === "False", JSON.stringify(waiting.status));
        expect(scheduled.message).toContain("1 node(s) were unschedulable");
        expect(scheduled.message).toContain("2 node(s) had volume node affinity conflict");
      });
      figure("drained", started);
    } finally {
      await kubectl("uncordon", node);
    }
    const back = performance.now();
    const now = await databaseReady(({ metadata }) => metadata.uid !== pod.metadata.uid);
    expect(now.spec.nodeName).toBe(node);
    for (const title of ["Three banks of oars", "After the rotation", "After the deletion"])
      await reloadUntilSeen(title);
    figure("back after uncordon", back);
    await write("After the drain", "All there.");
  });
});
