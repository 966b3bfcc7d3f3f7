import { connect } from "node:net";
import { expectThat, within } from "../e2e/process.ts";
import type { Act, Fault, Who } from "./faults.ts";
import type { Host } from "./machines.ts";

/** Who is who while a fault is prepared. */
export type Roles = Readonly<Record<Who, Host>>;

/** One hit that was done: proves that it happened, and is taken back. */
interface Blow {
  readonly what: string;
  /** Throws unless the fault is there now. */
  prove(): Promise<void>;
  heal(): Promise<unknown>;
  /** Throws unless it has left its trace: another start, another process. */
  proveAfter(): Promise<void>;
}

/** A fault takes hold at once; a busy engine is given this much. */
const PROOF_MS = 10_000;
const nothing = (): Promise<void> => Promise.resolve();

/** Does all hits of a fault at once, and proves each before it answers. */
export async function strike({ hits }: Fault, roles: Roles): Promise<{ what: string; heal(): Promise<void> }> {
  const blows = await Promise.all(hits.map(({ act, who }) => ACTS[act](roles[who])));
  await Promise.all(blows.map(({ what, prove }) => within(PROOF_MS, what, prove)));
  return {
    what: blows.map(({ what }) => what).join(", "),
    async heal() {
      await Promise.all(blows.map((blow) => blow.heal()));
      await Promise.all(blows.map(({ what, proveAfter }) => within(PROOF_MS, what, proveAfter)));
    },
  };
}

const ACTS: Readonly<Record<Act, (host: Host) => Promise<Blow>>> = {
  async kill(host) {
    const { startedAt } = await host.state();
    await host.kill();
    return {
      what: `${host.name} killed`,
      prove: async () => expectThat(!(await host.state()).running, `${host.name} still runs`),
      heal: () => host.start(),
      proveAfter: () => startedAgain(host, startedAt),
    };
  },
  async pause(host) {
    await host.pause();
    return {
      what: `${host.name} paused`,
      prove: async () => {
        expectThat((await host.state()).paused, `${host.name} is not paused`);
        // A frozen machine's kernel still accepts connections; nobody reads from them.
        expectThat((await answers(host)) === "silence", `${host.name} answers`);
      },
      heal: () => host.unpause(),
      proveAfter: nothing,
    };
  },
  async restart(host) {
    const { startedAt } = await host.state();
    await host.restart();
    return {
      what: `${host.name} restarted`,
      prove: () => startedAgain(host, startedAt),
      heal: nothing,
      proveAfter: nothing,
    };
  },
  async cut(host) {
    await host.cut();
    return {
      what: `${host.name} cut off`,
      prove: async () => {
        const { attached, running } = await host.state();
        expectThat(!attached && running, `${host.name} is still attached`);
        expectThat((await answers(host)) === "unreachable", `${host.name} can be reached`);
      },
      heal: () => host.heal(),
      proveAfter: async () => expectThat((await host.state()).attached, `${host.name} is not attached`),
    };
  },
  async "kill-nats"(host) {
    const before = await natsPid(host);
    await host.exec("kill", "-KILL", before);
    return {
      what: `NATS on ${host.name} killed`,
      prove: async () => {
        const now = await natsPid(host);
        expectThat(now !== before, `${host.name} still has nats-server ${before}`);
        await host.exec("test", "-d", `/proc/${now}`);
      },
      heal: nothing,
      proveAfter: nothing,
    };
  },
  async "pause-nats"(host) {
    const pid = await natsPid(host);
    await host.exec("kill", "-STOP", pid);
    const state = async (): Promise<string> => /\) (\w)/.exec(await host.exec("cat", `/proc/${pid}/stat`))?.[1] ?? "";
    return {
      what: `NATS on ${host.name} paused`,
      prove: async () => expectThat((await state()) === "T", `nats-server ${pid} of ${host.name} runs`),
      heal: () => host.exec("kill", "-CONT", pid),
      proveAfter: async () => expectThat((await state()) !== "T", `nats-server ${pid} of ${host.name} is stopped`),
    };
  },
};

async function startedAgain(host: Host, before: string): Promise<void> {
  const { running, startedAt } = await host.state();
  expectThat(running && startedAt !== before, `${host.name} was not started again`);
}

async function natsPid(host: Host): Promise<string> {
  const { pid } = JSON.parse(await host.exec("cat", "/var/lib/trireme/host/run/nats.pid")) as { pid: number };
  return String(pid);
}

/** So long a healthy machine never takes to say something. */
const SILENCE_MS = 1_000;

/** What a machine's TLS port says to a greeting that no TLS server understands: one that lives refuses it at once. */
function answers({ address, machine: { role } }: Host): Promise<"answer" | "silence" | "unreachable"> {
  return new Promise((resolve) => {
    let connected = false;
    const socket = connect({ host: address, port: role === "server" ? 6443 : 10_250 }, () => {
      connected = true;
      socket.write("hello?\r\n\r\n");
    });
    const timer = setTimeout(() => socket.destroy(), SILENCE_MS);
    const answered = (): void => resolve("answer");
    // Before it is connected an error says that nobody is there; after, that somebody has refused.
    socket.once("data", answered).once("end", answered);
    socket.once("error", () => connected && answered());
    socket.once("close", () => {
      clearTimeout(timer);
      resolve(connected ? "silence" : "unreachable");
    });
  });
}
