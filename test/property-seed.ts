import fc from "fast-check";

/** Where property tests start: fixed, so that a run can be told again; another with TRIREME_SEED=<number>. */
fc.configureGlobal({ seed: Number(process.env["TRIREME_SEED"] ?? 20_261_122) });
