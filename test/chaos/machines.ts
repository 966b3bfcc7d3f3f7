import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import {
  GenericContainer,
  PullPolicy,
  type StartedTestContainer,
  Wait,
  getContainerRuntimeClient,
} from "testcontainers";
import type { Compose, Machine } from "./compose.ts";

/** Names in the engine, which may hold others' things too. */
const PREFIX = "trireme-chaos";
/** Of the network's bridge; at most 15 letters. */
export const BRIDGE = "trichaosbr";
/** A machine that is not ready by then is told as it is. Some ten seconds on an idle machine with two cores. */
const START_MS = 90_000;

type Client = Awaited<ReturnType<typeof getContainerRuntimeClient>>;

/** A machine as the compose file describes it: what testcontainers has no words for is said in Docker's own. */
class MachineContainer extends GenericContainer {
  constructor(machine: Machine) {
    super(machine.image);
    this.withName(`${PREFIX}-${machine.name}`)
      .withNetworkMode(PREFIX)
      .withHostname(machine.hostname)
      .withEnvironment({ ...machine.environment })
      .withAddedCapabilities(...machine.capAdd)
      .withDroppedCapabilities(...machine.capDrop)
      .withSecurityOpt(...machine.securityOpt)
      .withTmpFs({ ...machine.tmpfs })
      .withBindMounts(Object.entries(machine.volumes).map(([target, name]) => ({ source: volumeOf(name), target })))
      .withPullPolicy(PullPolicy.neverPull())
      // The very command of the image's health check, without the seconds between two of them.
      .withWaitStrategy(Wait.forSuccessfulCommand("host-healthy"))
      .withStartupTimeout(START_MS);
    // The types of the client that testcontainers brings do not know it.
    if (machine.cgroup !== undefined) Object.assign(this.hostConfig, { CgroupnsMode: machine.cgroup });
    this.hostConfig.RestartPolicy = { Name: machine.restart };
    this.createOpts.StopTimeout = machine.stopGraceSeconds;
    this.createOpts.NetworkingConfig = { EndpointsConfig: { [PREFIX]: addressConfig(machine) } };
  }
}

function volumeOf(name: string): string {
  return `${PREFIX}-${name}`;
}

function addressConfig(machine: Machine) {
  return { IPAMConfig: { IPv4Address: machine.address } };
}

/** One machine that was started, and what can be done to it. */
export class Host {
  readonly machine: Machine;
  private readonly container: StartedTestContainer;
  private readonly client: Client;

  constructor(machine: Machine, container: StartedTestContainer, client: Client) {
    this.machine = machine;
    this.container = container;
    this.client = client;
  }

  get name(): string {
    return this.machine.name;
  }

  get address(): string {
    return this.machine.address;
  }

  private get docker() {
    return this.client.container.dockerode.getContainer(this.container.getId());
  }

  private get network() {
    return this.client.container.dockerode.getNetwork(PREFIX);
  }

  /** Runs a command inside and answers what it printed; fails with all that it said. */
  async exec(...command: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.container.exec(command);
    if (exitCode !== 0) throw new Error(`${this.name}: ${command.join(" ")}: exit ${exitCode}\n${stdout}\n${stderr}`);
    return stdout;
  }

  /** Runs a command inside that goes on; calls `onLine` for each line that it prints, and resolves when it ends. */
  async follow(command: readonly string[], onLine: (line: string) => void): Promise<void> {
    const exec = await this.docker.exec({ Cmd: [...command], AttachStdout: true });
    const stream = await exec.start({ hijack: true, stdin: false });
    const text = new PassThrough();
    this.docker.modem.demuxStream(stream, text, text);
    stream.on("end", () => text.end()).on("error", () => text.end());
    for await (const line of createInterface({ input: text })) onLine(line);
  }

  /** Pulls the plug: SIGKILL to everything at once. */
  kill(): Promise<unknown> {
    return this.docker.kill({ signal: "SIGKILL" });
  }

  /** Switches it on again, with the disk that it had. */
  start(): Promise<unknown> {
    return this.docker.start();
  }

  /** Off and on again, as `docker restart`: processes are told to end. */
  restart(): Promise<unknown> {
    return this.docker.restart({ t: this.machine.stopGraceSeconds });
  }

  pause(): Promise<unknown> {
    return this.docker.pause();
  }

  unpause(): Promise<unknown> {
    return this.docker.unpause();
  }

  /** Pulls its cable. */
  cut(): Promise<unknown> {
    return this.network.disconnect({ Container: this.container.getId() });
  }

  /** Plugs its cable in again, with the address that it had. */
  heal(): Promise<unknown> {
    return this.network.connect({ Container: this.container.getId(), EndpointConfig: addressConfig(this.machine) });
  }

  /** What the engine knows of it now. */
  async state(): Promise<HostState> {
    const { State, NetworkSettings, RestartCount } = await this.docker.inspect();
    return {
      running: State.Running,
      paused: State.Paused,
      startedAt: State.StartedAt,
      health: State.Health?.Status,
      attached: PREFIX in NetworkSettings.Networks,
      restarts: RestartCount as number,
    };
  }

  async logs(lines: number): Promise<string> {
    const log = await this.docker.logs({ stdout: true, stderr: true, tail: lines });
    return log.toString();
  }
}

export interface HostState {
  readonly running: boolean;
  readonly paused: boolean;
  readonly startedAt: string;
  readonly health: string | undefined;
  readonly attached: boolean;
  readonly restarts: number;
}

/** Loads an archive of images into the engine. */
export async function loadImages(archive: string): Promise<void> {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const answers = await dockerode.loadImage(archive, { quiet: true });
  await new Promise((resolve, reject) => answers.on("error", reject).on("end", resolve).resume());
}

/** Makes the compose file's network. */
export async function createNetwork({ network }: Compose): Promise<void> {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  await dockerode.createNetwork({
    Name: PREFIX,
    Driver: "bridge",
    IPAM: { Config: [{ Subnet: network.subnet }] },
    Options: { "com.docker.network.bridge.name": BRIDGE },
  });
}

/** Starts one machine and waits until it is healthy. */
export async function startMachine(machine: Machine): Promise<Host> {
  const client = await getContainerRuntimeClient();
  const container = await new MachineContainer(machine).start();
  return new Host(machine, container, client);
}

/** Removes machines, volumes and network of ours, also those of a run that was killed. */
export async function removeMachines(compose: Compose): Promise<void> {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const all = await dockerode.listContainers({ all: true, filters: { name: [`^/${PREFIX}-`] } });
  await Promise.all(all.map(({ Id }) => dockerode.getContainer(Id).remove({ force: true, v: true })));
  const wanted = new Set(compose.machines.flatMap(({ volumes }) => Object.values(volumes).map(volumeOf)));
  const { Volumes } = await dockerode.listVolumes();
  const volumes = Volumes.filter(({ Name }) => wanted.has(Name));
  await Promise.all(volumes.map(({ Name }) => dockerode.getVolume(Name).remove()));
  for (const { Id, Name } of await dockerode.listNetworks()) {
    if (Name === PREFIX) await dockerode.getNetwork(Id).remove();
  }
}
