/** The machine's own time, for the program that runs simulations: taken before virtual time takes its place. */
export const real = {
  monotonic: performance.now.bind(performance),
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
};
