// A session's state in one or two words.
import type { SessionState } from "../api/types";

export const STATES: Record<SessionState, string> = {
  idle: "Idle",
  queued: "Queued",
  running: "Working",
  waiting_approval: "Waits for your word",
  paused: "Paused",
  waiting_control: "Waiting",
  failed: "Failed",
  cancelled: "Stopped",
};
