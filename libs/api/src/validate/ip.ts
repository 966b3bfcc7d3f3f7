import ipaddr from "ipaddr.js";

const OCTET = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = new RegExp(`^${OCTET}(\\.${OCTET}){3}$`);

/** Whether the text is an IPv4 address of four decimal parts: no shorthand, no octal, which readers take differently. */
export function isIpv4(text: string): boolean {
  return IPV4.test(text);
}

/** Whether the text is an IPv6 address without a zone. */
export function isIpv6(text: string): boolean {
  return !text.includes("%") && ipaddr.IPv6.isValid(text);
}

/** Whether the text is an address of either family. */
export function isIp(text: string): boolean {
  return isIpv4(text) || isIpv6(text);
}

/** Whether the text is an address range such as `10.244.1.0/24`. */
export function isCidr(text: string): boolean {
  const slash = text.lastIndexOf("/");
  return slash !== -1 && isIp(text.slice(0, slash)) && ipaddr.isValidCIDR(text);
}
