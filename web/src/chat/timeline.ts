// From the record to what is read: messages with their tool uses, each beside its result.
import type { Event, Millis, SessionState, ToolResult } from "../api/types";
import { type ChatState, hasWork } from "./state";

export type Entry =
  | { kind: "you"; key: string; at: Millis; text: string }
  | { kind: "agent"; key: string; at: Millis; console: boolean; parts: Part[]; stopped: string | undefined }
  | { kind: "notice"; key: string; at: Millis; text: string; tone: "calm" | "bad" };

export type Part =
  { kind: "text"; text: string } | { kind: "thinking"; text: string } | { kind: "tool"; use: ToolUse };

export interface ToolUse {
  id: string;
  name: string;
  input: Record<string, unknown>;
  status: ToolStatus;
  result: ToolResult | undefined;
}

export type ToolStatus = "waiting" | "running" | "done" | "error" | "unknown";

export function timeline(state: Pick<ChatState, "events" | "running" | "session">): Entry[] {
  const results = new Map<string, ToolResult>();
  for (const event of state.events) {
    if (event.type === "tool_result") results.set(event.tool_use_id, event);
  }
  return state.events.flatMap((event) => entry(event, results, state));
}

function entry(
  event: Event,
  results: Map<string, ToolResult>,
  state: Pick<ChatState, "running" | "session">,
): Entry[] {
  const key = String(event.seq);
  switch (event.type) {
    case "user_message":
      return [{ kind: "you", key, at: event.at, text: event.text }];
    case "assistant_message": {
      const parts = event.content.flatMap((block) => part(block, results, state));
      const stopped = STOPPED.get(event.stop_reason);
      if (parts.length === 0 && !stopped) return [];
      return [{ kind: "agent", key, at: event.at, console: event.model === "console", parts, stopped }];
    }
    case "notice":
      return [{ kind: "notice", key, at: event.at, text: event.text, tone: "calm" }];
    case "state_changed":
      return stateEntry(key, event.at, event.state, event.reason ?? undefined);
    default:
      return [];
  }
}

const STOPPED = new Map([
  ["max_tokens", "The answer was cut: it reached the longest length the model may write."],
  ["refusal", "The model declined to go on."],
  [
    "model_context_window_exceeded",
    "The conversation is longer than the model can read. Begin a new session.",
  ],
]);

function stateEntry(key: string, at: Millis, state: SessionState, reason: string | undefined): Entry[] {
  if (state === "failed") {
    return [{ kind: "notice", key, at, tone: "bad", text: reason ?? "The agent could not go on." }];
  }
  if (state === "cancelled") {
    return [{ kind: "notice", key, at, tone: "calm", text: reason ?? "Stopped." }];
  }
  return [];
}

function part(
  block: unknown,
  results: Map<string, ToolResult>,
  state: Pick<ChatState, "running" | "session">,
): Part[] {
  if (typeof block !== "object" || block === null) return [];
  const { type, text, thinking, id, name, input } = block as Record<string, unknown>;
  if (type === "text" && typeof text === "string" && text.trim()) return [{ kind: "text", text }];
  if (type === "thinking" && typeof thinking === "string" && thinking.trim()) {
    return [{ kind: "thinking", text: thinking }];
  }
  if (type === "tool_use" && typeof id === "string" && typeof name === "string") {
    const result = results.get(id);
    const values = typeof input === "object" && input !== null ? (input as Record<string, unknown>) : {};
    return [
      { kind: "tool", use: { id, name, input: values, result, status: toolStatus(id, result, state) } },
    ];
  }
  return [];
}

function toolStatus(
  id: string,
  result: ToolResult | undefined,
  state: Pick<ChatState, "running" | "session">,
): ToolStatus {
  if (result) return result.is_error ? "error" : "done";
  if (state.running.includes(id)) return "running";
  return hasWork(state.session) ? "waiting" : "unknown";
}
