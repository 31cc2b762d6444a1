// How a server stands, in words, and how soon to ask again.
import type { McpState, McpStatus } from "../api/types";

export const STATES: Record<McpState, string> = {
  stopped: "Stopped",
  starting: "Starting",
  running: "Running",
  stopping: "Stopping",
  failed: "Failed",
};

export type Order = "start" | "stop" | "restart";

const SOON_MS = 2_000;
const LATER_MS = 10_000;

// `ordered`: something was asked of it that has not been answered.
export function askAgainMs(status: McpStatus | null | undefined, ordered: boolean): number {
  const changes = status?.state === "starting" || status?.state === "stopping";
  return changes || ordered ? SOON_MS : LATER_MS;
}

// A refusal that says only that the desktop is not there yet, or has not heard of a server that was saved just now.
export function isNoWordYet(code: string, savedLately: boolean): boolean {
  return code === "desktop_not_ready" || (code === "not_found" && savedLately);
}

// What can be asked of it now.
export function ordersFor(state: McpState): Order[] {
  switch (state) {
    case "running":
      return ["restart", "stop"];
    case "starting":
      return ["stop"];
    case "stopping":
      return [];
    case "stopped":
    case "failed":
      return ["start"];
  }
}

export function toolsInWords(count: number): string {
  return count === 1 ? "1 tool" : `${count} tools`;
}
