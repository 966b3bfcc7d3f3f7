import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding, Subject } from "../kinds.ts";
import { AGE, NAME, printer, text, wide } from "./column.ts";

type Binding = RoleBinding | ClusterRoleBinding;

const CREATED_AT = {
  ...text("Created At", "When it was created.", ({ metadata }: Role | ClusterRole) => metadata.creationTimestamp ?? ""),
  format: "date-time",
};

/** Prints Roles and ClusterRoles. */
export const rolePrinter = printer<Role | ClusterRole>([NAME, CREATED_AT]);

const subjectsOf =
  (kind: string, name: (of: Subject) => string) =>
  ({ subjects = [] }: Binding): string =>
    subjects
      .filter((subject) => subject.kind === kind)
      .map(name)
      .join(", ");

/** Prints RoleBindings and ClusterRoleBindings. */
export const roleBindingPrinter = printer<Binding>([
  NAME,
  text("Role", "The role that its subjects have.", ({ roleRef }: Binding) => `${roleRef.kind}/${roleRef.name}`),
  AGE,
  wide(
    text(
      "Users",
      "Users who have it.",
      subjectsOf("User", ({ name }) => name),
    ),
  ),
  wide(
    text(
      "Groups",
      "Groups that have it.",
      subjectsOf("Group", ({ name }) => name),
    ),
  ),
  wide(
    text(
      "ServiceAccounts",
      "ServiceAccounts that have it.",
      subjectsOf("ServiceAccount", ({ namespace, name }) => `${namespace ?? ""}/${name}`),
    ),
  ),
]);
