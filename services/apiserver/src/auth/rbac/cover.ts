/** Whether some rules allow all that others do (Kubernetes' `component-helpers/auth/rbac/validation`). Pure. */
import type { PolicyRule } from "@trireme/api";
import { ALL } from "./rules.ts";

/** What of `wanted` the rules in `held` do not allow, in the smallest pieces. Empty: they allow all of it. */
export function uncovered(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(pieces).filter((piece) => !held.some((rule) => covers(rule, piece)));
}

/** Rules of one verb on one resource or path each. Together they are the rule. */
function pieces(rule: PolicyRule): PolicyRule[] {
  const out: PolicyRule[] = [];
  for (const verb of rule.verbs) {
    for (const url of rule.nonResourceURLs ?? []) out.push({ verbs: [verb], nonResourceURLs: [url] });
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const piece = { verbs: [verb], apiGroups: [group], resources: [resource] };
        const names = rule.resourceNames ?? [];
        if (names.length === 0) out.push(piece);
        for (const name of names) out.push({ ...piece, resourceNames: [name] });
      }
    }
  }
  return out;
}

/** Whether one rule allows a piece. A piece is covered by a single rule or not at all. */
function covers(rule: PolicyRule, piece: PolicyRule): boolean {
  const [verb, url] = [piece.verbs[0]!, piece.nonResourceURLs?.[0]];
  if (!has(rule.verbs, verb)) return false;
  if (url !== undefined) return (rule.nonResourceURLs ?? []).some((pattern) => pathCovers(pattern, url));
  const names = rule.resourceNames ?? [];
  return (
    has(rule.apiGroups ?? [], piece.apiGroups![0]!) &&
    resourceCovers(rule.resources ?? [], piece.resources![0]!) &&
    (names.length === 0 || (piece.resourceNames !== undefined && names.includes(piece.resourceNames[0]!)))
  );
}

function has(values: readonly string[], wanted: string): boolean {
  return values.includes(ALL) || values.includes(wanted);
}

function resourceCovers(resources: readonly string[], wanted: string): boolean {
  if (has(resources, wanted)) return true;
  const slash = wanted.indexOf("/");
  return slash !== -1 && resources.includes(`*${wanted.slice(slash)}`);
}

function pathCovers(pattern: string, wanted: string): boolean {
  if (pattern === ALL || pattern === wanted) return true;
  return pattern.endsWith(ALL) && wanted.startsWith(pattern.replace(/\*+$/, ""));
}

/** Pieces as Kubernetes prints them: those of one resource put together, in order. */
export function describeRules(rules: readonly PolicyRule[]): string[] {
  const simple = new Map<string, PolicyRule>();
  const rest: PolicyRule[] = [];
  for (const rule of rules) {
    if (rule.resourceNames !== undefined || rule.nonResourceURLs !== undefined) {
      rest.push(rule);
      continue;
    }
    const key = `${rule.apiGroups![0]}/${rule.resources![0]}`;
    const known = simple.get(key);
    if (known === undefined) simple.set(key, rule);
    else simple.set(key, { ...known, verbs: [...known.verbs, ...rule.verbs] });
  }
  return [...new Set([...simple.values(), ...rest].map(compact))].toSorted();
}

function compact(rule: PolicyRule): string {
  const parts: [string, readonly string[] | undefined][] = [
    ["APIGroups", rule.apiGroups],
    ["Resources", rule.resources],
    ["NonResourceURLs", rule.nonResourceURLs],
    ["ResourceNames", rule.resourceNames],
    ["Verbs", rule.verbs],
  ];
  const told = parts.filter(([, values]) => values !== undefined && values.length > 0);
  return `{${told.map(([name, values]) => `${name}:${quoted(values!)}`).join(", ")}}`;
}

/** A list of words as Go prints it: `["a" "b"]`. */
export function quoted(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(" ")}]`;
}
