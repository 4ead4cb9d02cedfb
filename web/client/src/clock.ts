/** Where time comes from; tests bring their own. */
export interface Clock {
  now(): number;
  after(milliseconds: number, task: () => void): () => void;
}

/** The browser's clock. */
export const browserClock: Clock = {
  now: () => performance.now(),
  after(milliseconds, task) {
    const timer = setTimeout(task, milliseconds);
    return () => clearTimeout(timer);
  },
};
