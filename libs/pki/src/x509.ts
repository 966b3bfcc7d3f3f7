/** The library that makes certificates, with what it needs around it: loaded as one by whoever makes the first. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto as unknown as typeof crypto);

export { x509 };
