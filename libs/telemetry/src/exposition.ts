/** A metric's kind, as the text format names it. */
export type FamilyType = "counter" | "gauge" | "histogram" | "untyped";

/** Labels of one sample, in the order in which they are written; an undefined value is left out. */
export type SampleLabels = Readonly<Record<string, string | undefined>>;

/**
 * Writes Prometheus' text format (version 0.0.4) at scrape time, straight from whatever holds the numbers: for series of
 * objects that come and go, of which a registry would keep a second copy that somebody has to sweep.
 *
 * Callers' duties: all samples of a family one after the other, each family once.
 */
export class Exposition {
  private readonly lines: string[] = [];

  /** Begins a family. */
  family(name: string, type: FamilyType, help: string): Family {
    let begun = false;
    return {
      add: (labels, value) => {
        // A family without samples says nothing: its header would only cost.
        if (!begun) this.lines.push(`# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`);
        begun = true;
        this.lines.push(`${name}${labelText(labels)} ${numberText(value)}\n`);
      },
    };
  }

  /** The text so far. */
  text(): string {
    return this.lines.join("");
  }
}

/** One family under construction. */
export interface Family {
  add(labels: SampleLabels, value: number): void;
}

function labelText(labels: SampleLabels): string {
  let text = "";
  for (const name in labels) {
    const value = labels[name];
    if (value !== undefined) text += `${text === "" ? "{" : ","}${name}="${escapeValue(value)}"`;
  }
  return text === "" ? "" : `${text}}`;
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

const SPECIAL = /[\\"\n]/;

function escapeValue(value: string): string {
  if (!SPECIAL.test(value)) return value;
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function escapeHelp(help: string): string {
  return help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
