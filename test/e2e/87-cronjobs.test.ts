/**
 * Goal: CronJobs do what a first session asks of them. Method: schedules of seconds, and a status that says the last
 * start was hours ago, so that no test waits for the clock to show a full minute.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Any, applyText, ensureCluster, freshNamespace, getJson, kubectl, tryKubectl } from "./cluster.ts";
import { expectThat, within } from "./process.ts";

const NS = "crons";
const IMAGE = "trireme.local/hello:1";

const jobsOf = async (cron: string): Promise<Any[]> =>
  (await getJson("jobs", "-n", NS)).items.filter((job: Any) => job.metadata.ownerReferences?.[0]?.name === cron);
const eventsOf = async (cron: string): Promise<string[]> =>
  (await getJson("events", "-n", NS, "--field-selector", `involvedObject.name=${cron}`)).items.map(
    (event: Any) => `${event.reason}: ${event.message}`,
  );

describe("a CronJob", () => {
  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
    await kubectl(
      "create",
      "cronjob",
      "tick",
      "-n",
      NS,
      `--image=${IMAGE}`,
      "--schedule=@every 5s",
      "--",
      "busybox",
      "true",
    );
  });
  afterAll(async () => {
    const gone = await tryKubectl(["delete", "namespace", NS, "--ignore-not-found", "--timeout=60s"]);
    expect(gone.code).toBe(0);
  });

  it("catches up once with starts that were missed, by the clocks of its zone", async () => {
    await applyText(`
apiVersion: batch/v1
kind: CronJob
metadata: { name: late, namespace: ${NS} }
spec:
  schedule: "* * * * *"
  timeZone: Europe/Vienna
  suspend: true
  jobTemplate:
    metadata: { labels: { made-by: late } }
    spec:
      template:
        spec:
          restartPolicy: Never
          terminationGracePeriodSeconds: 0
          containers: [{ name: c, image: "${IMAGE}", command: [busybox, sleep, "300"] }]
`);
    const last = new Date(Date.now() - 3 * 3_600_000).toISOString().replace(/\.\d+Z/, "Z");
    const status = JSON.stringify({ status: { lastScheduleTime: last } });
    await kubectl("patch", "cronjob", "late", "-n", NS, "--subresource=status", "--type=merge", "-p", status);
    expect(await kubectl("get", "cj", "late", "-n", NS)).toMatch(
      /NAME +SCHEDULE +TIMEZONE +SUSPEND +ACTIVE +LAST SCHEDULE +AGE\nlate +\* \* \* \* \* +Europe\/Vienna +True +0 +3h/,
    );
    await kubectl("patch", "cronjob", "late", "-n", NS, "--type=merge", "-p", '{"spec":{"suspend":false}}');
    await within(5_000, "the last start is made", async () => expectThat((await jobsOf("late")).length > 0, "no Job"));
    await kubectl("patch", "cronjob", "late", "-n", NS, "--type=merge", "-p", '{"spec":{"suspend":true}}');
    const [job] = await jobsOf("late");
    const scheduled = Number(/^late-(\d+)$/.exec(job.metadata.name)![1]) * 60_000;
    expect(Math.abs(Date.now() - scheduled)).toBeLessThan(70_000);
    expect(job.metadata.labels).toMatchObject({ "made-by": "late" });
    const timestamp = job.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"];
    expect(timestamp).toMatch(/:00\+0[12]:00$/);
    expect(Date.parse(timestamp)).toBe(scheduled);
    await within(5_000, "it says so", async () => {
      const { status: said } = await getJson("cronjob", "late", "-n", NS);
      expect(said.active).toMatchObject([{ kind: "Job", uid: job.metadata.uid }]);
      expect(Date.parse(said.lastScheduleTime)).toBe(scheduled);
      const events = await eventsOf("late");
      expect(events).toContainEqual(expect.stringMatching(/^TooManyMissedTimes: too many missed start times/));
      expect(events).toContain(`SuccessfulCreate: Created job ${job.metadata.name}`);
    });
  });

  it("makes a Job that runs to its end, and remembers when", async () => {
    await within(25_000, "its Job has succeeded", async () => {
      expectThat((await getJson("cronjob", "tick", "-n", NS)).status.lastSuccessfulTime !== undefined, "not yet");
    });
    const [job] = await jobsOf("tick");
    expect(job.metadata.name).toMatch(/^tick-\d+$/);
    await within(5_000, "it says so", async () => {
      expect(await eventsOf("tick")).toContain(
        `SawCompletedJob: Saw completed job: ${job.metadata.name}, condition: Complete`,
      );
    });
    expect(await kubectl("describe", "cronjob", "tick", "-n", NS)).toMatch(
      /Schedule: +@every 5s[^]*Concurrency Policy: +Allow/,
    );
  });

  it("is a template for Jobs made by hand, and takes all of them with it", async () => {
    await kubectl("patch", "cronjob", "tick", "-n", NS, "--type=merge", "-p", '{"spec":{"suspend":true}}');
    await kubectl("create", "job", "-n", NS, "by-hand", "--from=cronjob/tick");
    await kubectl("wait", "--for=condition=complete", "job/by-hand", "-n", NS, "--timeout=20s");
    expect((await getJson("job", "by-hand", "-n", NS)).metadata.annotations).toMatchObject({
      "cronjob.kubernetes.io/instantiate": "manual",
    });
    await kubectl("delete", "cronjob", "tick", "late", "-n", NS);
    await within(10_000, "their Jobs and pods go with them", async () => {
      const { items } = await getJson("jobs,pods", "-n", NS);
      expectThat(items.length === 0, items.map((one: Any) => one.metadata.name).join());
    });
  });

  it("is refused for a schedule or a zone that there is not", async () => {
    const make = (name: string, schedule: string) =>
      tryKubectl(["create", "cronjob", name, "-n", NS, `--image=${IMAGE}`, `--schedule=${schedule}`]);
    expect((await make("bad", "61 * * * *")).stderr).toContain(
      'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61',
    );
    expect((await make("bad", "TZ=UTC 0 0 * * *")).stderr).toContain(
      "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
    );
  });
});
