// An approval in words: why it is asked for, how long it waits, how it ended.
import type { ApprovalAsked, Millis, Risk } from "../api/types";
import type { Outcome } from "./timeline";

const WHY: Record<Risk, string> = {
  shell: "It runs a command on the desktop.",
  file_write: "It writes a file on the desktop.",
  mcp: "It calls a tool that is not CloudBot's own, whatever that tool says of itself.",
  secret: "It types one of your secrets.",
  submit: "It presses a key that submits what was entered.",
  safety_check: "The model's provider wants a person to look at this first; its warning stands below.",
};

export function why(risk: ApprovalAsked["risk"]): string {
  // A newer server may name a risk that this page does not know.
  const known = risk && Object.hasOwn(WHY, risk) ? WHY[risk] : undefined;
  return known ?? "This session asks before such an action.";
}

// Milliseconds until no answer means no.
export function timeLeft(asked: Pick<ApprovalAsked, "timeout_s">, at: Millis, now: Millis): number {
  return Math.max(0, at + asked.timeout_s * 1000 - now);
}

export function ended(outcome: Exclude<Outcome, { kind: "waiting" }>, me: string | undefined): string {
  if (outcome.kind === "over") return "Nobody answered, and it is over";
  const who = outcome.userId === me ? "you" : "somebody else";
  return outcome.verdict === "approved" ? `Approved by ${who}` : `Denied by ${who}`;
}
