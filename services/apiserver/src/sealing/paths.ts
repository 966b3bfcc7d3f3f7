/** What sealing answers over HTTP lies below this. */
export const SEALING_PATH = "/trireme/v1/sealing";

/** A server's ring, for the other servers alone. */
export const RING_PATH = `${SEALING_PATH}/ring`;

/** Rotates the key: for whoever may `post` this path. */
export const ROTATE_PATH = `${SEALING_PATH}/rotate`;
