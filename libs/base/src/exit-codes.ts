/**
 * A store ends with this code once its member was removed from the cluster: it never serves again, however often it is
 * started, so that whoever supervises it leaves it down.
 */
export const EXIT_REMOVED = 3;
