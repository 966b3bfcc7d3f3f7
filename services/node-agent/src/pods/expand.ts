type Variables = ReadonlyMap<string, string>;

/**
 * Replaces `$(NAME)` by the variable's value, from the first of the maps that has it; `$$(NAME)` is kept as `$(NAME)` and
 * unknown names stay as they are.
 */
export function expand(text: string, ...variables: readonly Variables[]): string {
  return text.replaceAll(/\$\$|\$\(([^()]*)\)/g, (whole, name: string | undefined) => {
    if (whole === "$$") return "$";
    return variables.find((map) => map.has(name ?? ""))?.get(name ?? "") ?? whole;
  });
}
