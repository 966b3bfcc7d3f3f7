/**
 * The formats of names (apimachinery `util/validation`). Each function returns what is wrong, in Kubernetes' words;
 * nothing means that the value is fine.
 */

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
const NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const CONFIG_KEY = "[-._a-zA-Z0-9]+";

const LABEL_LENGTH = 63;
const SUBDOMAIN_LENGTH = 253;
const PORT_NAME_LENGTH = 15;

const whole = (pattern: string): RegExp => new RegExp(`^(?:${pattern})$`);
const IS_LABEL = whole(LABEL);
const IS_SUBDOMAIN = whole(SUBDOMAIN);
const IS_LABEL_1035 = whole(LABEL_1035);
const IS_NAME_PART = whole(NAME_PART);
const IS_LABEL_VALUE = whole(`(${NAME_PART})?`);
const IS_CONFIG_KEY = whole(CONFIG_KEY);
const regexNote = (examples: string, pattern: string): string =>
  `(e.g. ${examples}, regex used for validation is '${pattern}')`;
const tooLong = (limit: number): string => `must be no more than ${limit} characters`;

/** A DNS label: names of containers, volumes, namespaces. */
export function dnsLabelProblems(value: string): string[] {
  const problems: string[] = [];
  if (value.length > LABEL_LENGTH) problems.push(tooLong(LABEL_LENGTH));
  if (!IS_LABEL.test(value)) {
    problems.push(
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end " +
        `with an alphanumeric character ${regexNote("'my-name',  or '123-abc'", LABEL)}`,
    );
  }
  return problems;
}

/** A DNS subdomain: names of most objects. */
export function dnsSubdomainProblems(value: string): string[] {
  const problems: string[] = [];
  if (value.length > SUBDOMAIN_LENGTH) problems.push(tooLong(SUBDOMAIN_LENGTH));
  if (!IS_SUBDOMAIN.test(value)) {
    problems.push(
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start " +
        `and end with an alphanumeric character ${regexNote("'example.com'", SUBDOMAIN)}`,
    );
  }
  return problems;
}

/** A DNS label that starts with a letter: names of Services. */
export function dns1035LabelProblems(value: string): string[] {
  const problems: string[] = [];
  if (value.length > LABEL_LENGTH) problems.push(tooLong(LABEL_LENGTH));
  if (!IS_LABEL_1035.test(value)) {
    problems.push(
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic " +
        `character, and end with an alphanumeric character ${regexNote("'my-name',  or 'abc-123'", LABEL_1035)}`,
    );
  }
  return problems;
}

/** `prefix/name`: keys of labels and annotations, resource names, conditions. */
export function qualifiedNameProblems(value: string): string[] {
  const slash = value.indexOf("/");
  const name = value.slice(slash + 1);
  const problems: string[] = [];
  if (slash === 0) problems.push("prefix part must be non-empty");
  else if (slash > 0) problems.push(...dnsSubdomainProblems(value.slice(0, slash)).map((p) => `prefix part ${p}`));
  if (name === "") problems.push("name part must be non-empty");
  else if (name.length > LABEL_LENGTH) problems.push(`name part ${tooLong(LABEL_LENGTH)}`);
  if (!IS_NAME_PART.test(name)) {
    problems.push(
      "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " +
        `alphanumeric character ${regexNote("'MyName',  or 'my.name',  or '123-abc'", NAME_PART)}`,
    );
  }
  return problems;
}

/** A label's value: empty or like a name. */
export function labelValueProblems(value: string): string[] {
  const problems: string[] = [];
  if (value.length > LABEL_LENGTH) problems.push(tooLong(LABEL_LENGTH));
  if (!IS_LABEL_VALUE.test(value)) {
    problems.push(
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start " +
        "and end with an alphanumeric character " +
        regexNote("'MyValue',  or 'my_value',  or '12345'", `(${NAME_PART})?`),
    );
  }
  return problems;
}

/** The name of a port: an IANA service name. */
export function portNameProblems(value: string): string[] {
  const problems: string[] = [];
  if (value.length > PORT_NAME_LENGTH) problems.push(tooLong(PORT_NAME_LENGTH));
  if (!/^[-a-z0-9]+$/.test(value)) {
    problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!/[a-z]/.test(value)) problems.push("must contain at least one letter (a-z)");
  if (value.includes("--")) problems.push("must not contain consecutive hyphens");
  if (/^-|-$/.test(value)) problems.push("must not begin or end with a hyphen");
  return problems;
}

/** A port number. */
export function portNumberProblems(value: number): string[] {
  return value >= 1 && value <= 65_535 ? [] : ["must be between 1 and 65535, inclusive"];
}

/** A key of a ConfigMap or Secret: it becomes a file name. */
export function configKeyProblems(value: string): string[] {
  const problems: string[] = [];
  if (value.length > SUBDOMAIN_LENGTH) problems.push(tooLong(SUBDOMAIN_LENGTH));
  if (!IS_CONFIG_KEY.test(value)) {
    problems.push(
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' " +
        regexNote("'key.name',  or 'KEY_NAME',  or 'key-name'", CONFIG_KEY),
    );
  }
  if (value === "." || value === "..") problems.push(`must not be '${value}'`);
  else if (value.startsWith("..")) problems.push("must not start with '..'");
  return problems;
}

/** The name of an environment variable: printable ASCII without `=`. */
export function envNameProblems(value: string): string[] {
  if (value === "") return ["environment variable name must not be empty"];
  return /^[ -<>-~]+$/.test(value)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** A name that may hold whatever a segment of a path may. */
export function pathSegmentProblems(value: string): string[] {
  if (value === "." || value === "..") return [`may not be '${value}'`];
  return ["/", "%"].filter((part) => value.includes(part)).map((part) => `may not contain '${part}'`);
}
