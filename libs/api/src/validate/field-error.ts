/** One thing wrong with one field. `reason` is a Kubernetes cause type, `message` reads after the field's path. */
export interface FieldError {
  readonly field: string;
  readonly reason:
    | "FieldValueRequired"
    | "FieldValueInvalid"
    | "FieldValueDuplicate"
    | "FieldValueNotSupported"
    | "FieldValueForbidden"
    | "FieldValueTooLong"
    | "FieldValueNotFound";
  readonly message: string;
}

/** Values are quoted up to this length in messages. */
const QUOTED_LENGTH = 200;

/** Collects what is wrong, in the words of Kubernetes' `field.Error`. */
export class Problems {
  readonly list: FieldError[] = [];

  required(field: string, detail?: string): void {
    this.add(field, "FieldValueRequired", "Required value", detail);
  }

  invalid(field: string, value: unknown, detail: string): void {
    this.add(field, "FieldValueInvalid", `Invalid value: ${quote(value)}`, detail);
  }

  notSupported(field: string, value: unknown, supported: readonly string[]): void {
    const words = supported.map((item) => JSON.stringify(item)).join(", ");
    this.add(field, "FieldValueNotSupported", `Unsupported value: ${quote(value)}`, `supported values: ${words}`);
  }

  duplicate(field: string, value: unknown): void {
    this.add(field, "FieldValueDuplicate", `Duplicate value: ${quote(value)}`);
  }

  forbidden(field: string, detail: string): void {
    this.add(field, "FieldValueForbidden", "Forbidden", detail);
  }

  tooLong(field: string, limit: number): void {
    this.add(field, "FieldValueTooLong", "Too long", `may not be more than ${limit} bytes`);
  }

  notFound(field: string, value: unknown): void {
    this.add(field, "FieldValueNotFound", `Not found: ${quote(value)}`);
  }

  /** Adds an invalid-value error for each of the details: for checks that return what is wrong as text. */
  each(field: string, value: unknown, details: readonly string[]): void {
    for (const detail of details) this.invalid(field, value, detail);
  }

  private add(field: string, reason: FieldError["reason"], words: string, detail?: string): void {
    this.list.push({ field, reason, message: detail === undefined ? words : `${words}: ${detail}` });
  }
}

function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "null";
  return text.length > QUOTED_LENGTH ? `${text.slice(0, QUOTED_LENGTH)}...` : text;
}
