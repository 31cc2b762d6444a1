// Who drives a desktop, as one person sees it.
import type { ControlStatus } from "../api/types";

export type Driving = "nobody" | "agent" | "you" | "other";

export function driving(status: ControlStatus, me: string | undefined): Driving {
  if (status.driver !== "person") return status.driver;
  return status.holder?.user_id === me ? "you" : "other";
}

// Has this person asked the agent for control, and not got it yet?
export function waitsForControl(status: ControlStatus, me: string | undefined): boolean {
  return me !== undefined && status.requested_by === me && driving(status, me) !== "you";
}

// May mouse and keyboard be sent? The desktop itself drops what it does not take; this is for what a person sees.
export function mayUseDesktop(who: Driving): boolean {
  return who === "nobody" || who === "you";
}

export const DRIVES: Record<Driving, string> = {
  nobody: "Nobody drives",
  agent: "The agent drives",
  you: "You drive",
  other: "Somebody else drives",
};
