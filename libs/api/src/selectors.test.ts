import { describe, expect, it } from "vitest";
import {
  fieldsMatch,
  formatLabelSelector,
  labelSelectorMatches,
  parseFieldSelector,
  parseLabelSelector,
  requirementsMatch,
} from "./selectors.ts";

const matches = (text: string, labels: Record<string, string>): boolean =>
  requirementsMatch(parseLabelSelector(text), labels);

describe("parseLabelSelector", () => {
  it.each([
    ["", "", true],
    ["app=web", "app=web", true],
    ["app==web", "app=web", true],
    ["app = web , tier!=db", "app=web,tier!=db", true],
    ["app in (b, web)", "app in (b,web)", true],
    ["app notin (web)", "app notin (web)", false],
    ["missing notin (web)", "missing notin (web)", true],
    ["app", "app", true],
    ["!app", "!app", false],
    ["!missing", "!missing", true],
    ["missing!=x", "missing!=x", true],
    ["example.com/team=core", "example.com/team=core", true],
    ["empty=", "empty=", true],
    ["empty in (,a)", "empty in (,a)", true],
    ["size>3", "size>3", true],
    ["size<3", "size<3", false],
    ["constructor", "constructor", false],
    ["in in (in)", "in in (in)", false],
  ])("%j prints as %j and matches: %s", (text, printed, expected) => {
    expect(formatLabelSelector(parseLabelSelector(text))).toBe(printed);
    expect(matches(text, { app: "web", "example.com/team": "core", empty: "", size: "4" })).toBe(expected);
  });

  it.each([
    ",",
    "app=web,",
    "app in web",
    "app in (web",
    "=x",
    "a b",
    "app=we!b",
    "a/b/c=d",
    "-x=y",
    "size>x",
    "a=(b)",
  ])("refuses %j and quotes it", (text) => {
    expect(() => parseLabelSelector(text)).toThrow(`"${text}"`);
  });
});

describe("labelSelectorMatches", () => {
  it("matches all when empty and nothing when absent", () => {
    expect(labelSelectorMatches({}, {})).toBe(true);
    expect(labelSelectorMatches(undefined, { a: "b" })).toBe(false);
    expect(labelSelectorMatches(null, { a: "b" })).toBe(false);
  });

  it("needs every label and expression", () => {
    const selector = {
      matchLabels: { app: "web" },
      matchExpressions: [{ key: "tier", operator: "NotIn", values: ["db"] }],
    };
    expect(labelSelectorMatches(selector, { app: "web" })).toBe(true);
    expect(labelSelectorMatches(selector, { app: "web", tier: "db" })).toBe(false);
    expect(labelSelectorMatches(selector, { tier: "x" })).toBe(false);
    expect(formatLabelSelector(selector)).toBe("app=web,tier notin (db)");
  });
});

describe("field selectors", () => {
  it("parses, escapes and matches; an absent field is empty", () => {
    const requirements = parseFieldSelector("spec.nodeName=n1,status.phase!=Failed,metadata.name==a\\,b");
    expect(requirements).toEqual([
      { field: "spec.nodeName", op: "=", value: "n1" },
      { field: "status.phase", op: "!=", value: "Failed" },
      { field: "metadata.name", op: "=", value: "a,b" },
    ]);
    const fields: Record<string, string> = { "spec.nodeName": "n1", "metadata.name": "a,b" };
    expect(fieldsMatch(requirements, (field) => fields[field])).toBe(true);
    expect(fieldsMatch(parseFieldSelector("spec.nodeName="), () => undefined)).toBe(true);
    expect(parseFieldSelector("")).toEqual([]);
    expect(() => parseFieldSelector("status.phase")).toThrow('"status.phase"');
  });
});
