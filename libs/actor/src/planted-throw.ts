/**
 * Fault injection for tests, off by default: `TRIREME_PLANT_THROW=<behaviour>:<substring of the actor's id>` makes the
 * behaviour of each actor that fits throw once, at its first message after the start of the process.
 */
export class PlantedThrow {
  private readonly behaviour: string;
  private readonly idPart: string;
  private readonly done = new Set<string>();

  constructor(setting: string | undefined) {
    const at = setting?.indexOf(":") ?? -1;
    this.behaviour = setting === undefined || at < 0 ? "" : setting.slice(0, at);
    this.idPart = setting === undefined || at < 0 ? "" : setting.slice(at + 1);
  }

  /** Throws if it is this actor's turn. */
  check(behaviour: string, id: string): void {
    if (this.behaviour === "" || behaviour !== this.behaviour || !id.includes(this.idPart) || this.done.has(id)) return;
    this.done.add(id);
    throw new Error(`planted throw in ${behaviour} ${id}`);
  }
}

/** The process's own setting, shared by all systems so that each actor throws once. */
export const processPlant = new PlantedThrow(process.env["TRIREME_PLANT_THROW"]);
