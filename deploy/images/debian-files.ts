/** What a program never reads, or what only an installation or an init system would. */
const NOT_IN_IMAGES = [
  "usr/share/doc/*",
  "usr/share/doc-base/*",
  "usr/share/man/*",
  "usr/share/info/*",
  "usr/share/locale/*",
  "usr/share/lintian/*",
  "usr/share/bug/*",
  "usr/share/bash-completion/*",
  "usr/share/apport/*",
  "usr/share/gdb/*",
  "usr/share/menu/*",
  "usr/share/pixmaps/*",
  "usr/share/gcc/*",
  "usr/lib/systemd/*",
  "usr/lib/sysusers.d/*",
  "usr/lib/tmpfiles.d/*",
  "etc/init.d/*",
  "etc/logrotate.d/*",
  "etc/cron.*",
  "etc/default/*",
  "etc/ufw/*",
  "etc/apparmor.d/*",
  "var/*",
  "run/*",
] as const;

/** Folders that Debian has merged into /usr; older packages still name them. */
const MERGED = /^(bin|sbin|lib|lib32|lib64)\//;

/** Where a package's file belongs in an image, whose `bin`, `lib` ... are links into `usr`. */
export function mergedPath(path: string): string {
  return MERGED.test(path) ? `usr/${path}` : path;
}

/** Whether a package's file goes into an image. `drop` are more patterns in which `*` stands for anything. */
export function isWanted(path: string, drop: readonly string[] = []): boolean {
  return ![...NOT_IN_IMAGES, ...drop].some((pattern) => matches(pattern, path));
}

function matches(pattern: string, path: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(path);
}
