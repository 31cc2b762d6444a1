// When to try a lost connection again: soon at first, then ever more rarely, and at once when the network returns.
import { explain } from "./problem";

export type LinkStatus =
  { kind: "connecting" } | { kind: "open" } | { kind: "waiting"; reason: string; retryAt: number };

export interface Clock {
  now(): number;
  after(ms: number, run: () => void): () => void;
  random(): number;
}

export const browserClock: Clock = {
  now: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

const FIRST_MS = 500;
const LONGEST_MS = 15_000;
// A connection that dies younger than this counts as one more failure, or a server that accepts and
// drops would be asked without end.
const STABLE_MS = 5_000;

export class Reconnect {
  private failures = 0;
  private openedAt: number | undefined;
  private cancel: (() => void) | undefined;
  private stopped = false;

  constructor(
    private readonly connect: () => void,
    private readonly onStatus: (status: LinkStatus) => void,
    // Asks why, in words for a person; it may well throw, which is an answer too.
    private readonly diagnose: () => Promise<string>,
    private readonly clock: Clock = browserClock,
  ) {}

  start(): void {
    if (this.stopped) return;
    this.cancel = undefined;
    this.onStatus({ kind: "connecting" });
    this.connect();
  }

  opened(): void {
    if (this.stopped) return;
    this.openedAt = this.clock.now();
    this.onStatus({ kind: "open" });
  }

  // `said` is what the other side gave as its reason, if it did.
  lost(said = ""): void {
    if (this.stopped || this.cancel) return;
    const lasted = this.openedAt === undefined ? 0 : this.clock.now() - this.openedAt;
    this.openedAt = undefined;
    this.failures = lasted >= STABLE_MS ? 0 : Math.min(this.failures + 1, 16);
    const wait = delay(this.failures, this.clock.random());
    const retryAt = this.clock.now() + wait;
    this.cancel = this.clock.after(wait, () => this.start());
    this.onStatus({ kind: "waiting", reason: said || "The connection was lost.", retryAt });
    if (said) return;
    this.diagnose().then(
      (reason) => this.explainWaiting(reason, retryAt),
      (error: unknown) => this.explainWaiting(explain(error), retryAt),
    );
  }

  // The person or the network says that it may work now.
  now(): void {
    if (!this.cancel) return;
    this.cancel();
    this.start();
  }

  stop(): void {
    this.stopped = true;
    this.cancel?.();
    this.cancel = undefined;
  }

  private explainWaiting(reason: string, retryAt: number): void {
    if (this.cancel && !this.stopped) this.onStatus({ kind: "waiting", reason, retryAt });
  }
}

export function delay(failures: number, random: number): number {
  const base = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, failures - 1));
  return Math.round(base * (0.75 + random * 0.5));
}

// Calls `run` when the machine comes back online or the tab is looked at again.
export function whenBack(run: () => void): () => void {
  const visible = () => {
    if (document.visibilityState === "visible") run();
  };
  window.addEventListener("online", run);
  document.addEventListener("visibilitychange", visible);
  return () => {
    window.removeEventListener("online", run);
    document.removeEventListener("visibilitychange", visible);
  };
}
