/** Replaces `$(NAME)` by the variable's value; `$$(NAME)` is kept as `$(NAME)` and unknown names stay as they are. */
export function expand(text: string, env: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\$|\$\(([^()]*)\)/g, (whole, name: string | undefined) => {
    if (whole === "$$") return "$";
    return env.get(name ?? "") ?? whole;
  });
}
