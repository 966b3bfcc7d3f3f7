/**
 * What each package needs, as `apt-cache depends` prints it: a list of choices, each a list of names of which one is
 * enough, the preferred first. Virtual packages are replaced by those that provide them.
 */
export type Dependencies = ReadonlyMap<string, readonly (readonly string[])[]>;

/** Reads the output of `apt-cache depends --recurse --important`. */
export function parseDepends(text: string): Dependencies {
  const out = new Map<string, string[][]>();
  let choices: string[][] = [];
  /** Whether the line before ended with a bar in front, so that the next one offers another choice. */
  let open = false;
  /** Whether the line before named a virtual package, whose providers follow indented. */
  let virtual = false;
  for (const line of text.split("\n")) {
    const depends = /^ ([ |])(?:Pre)?Depends: (<?)([^\s:<>]+)(?::\w+)?>?$/.exec(line);
    const provider = /^ {4}(\S+)$/.exec(line)?.[1];
    if (depends !== null) {
      const [, bar, mark, name = ""] = depends;
      if (!open) choices.push([]);
      virtual = mark === "<";
      if (!virtual) choices.at(-1)?.push(name);
      open = bar === "|";
    } else if (provider !== undefined) {
      if (virtual) choices.at(-1)?.push(provider);
    } else if (/^\S+$/.test(line)) {
      choices = [];
      open = false;
      // A virtual package has an entry of its own, without dependencies.
      if (!line.startsWith("<")) out.set(line, choices);
    }
  }
  return out;
}

/**
 * The packages and all that they need, without those in `without` and what only they would bring, sorted. Where one of
 * several would do, one that is there anyway, or else the first, is taken. Throws for a package that is not known.
 */
export function closureOf(
  packages: readonly string[],
  dependencies: Dependencies,
  without: ReadonlySet<string> = new Set(),
): string[] {
  const found = new Set<string>();
  const queue = [...packages];
  /** Looked at when everything that is needed in any case is known. */
  const open: (readonly string[])[] = [];
  for (;;) {
    const name = queue.shift() ?? open.shift()?.reduce(preferring(found, without));
    if (name === undefined) return [...found].toSorted();
    if (found.has(name) || without.has(name)) continue;
    const choices = dependencies.get(name);
    if (choices === undefined) throw new Error(`there is no Debian package "${name}"`);
    found.add(name);
    for (const choice of choices) {
      if (choice.length === 1) queue.push(...choice);
      else if (choice.length > 1) open.push(choice);
    }
  }
}

/** Of two choices the one that is there anyway, or is not wanted in any form; else the first. */
function preferring(found: ReadonlySet<string>, without: ReadonlySet<string>) {
  const settled = (name: string): boolean => found.has(name) || without.has(name);
  return (first: string, second: string): string => (settled(second) && !settled(first) ? second : first);
}
