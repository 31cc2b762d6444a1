// From the record to what is read: messages with their tool uses, each beside its result.
import type { ApprovalAsked, Event, Millis, Picture, SessionState, ToolResult, Verdict } from "../api/types";
import { type ChatState, hasWork } from "./state";

export type Entry =
  | { kind: "you"; key: string; at: Millis; text: string }
  | { kind: "agent"; key: string; at: Millis; console: boolean; parts: Part[]; stopped: string | undefined }
  | { kind: "approval"; key: string; at: Millis; asked: ApprovalAsked; use: Asked; outcome: Outcome }
  | {
      kind: "handed_back";
      key: string;
      at: Millis;
      userId: string;
      note: string | undefined;
      picture: Picture | undefined;
    }
  | { kind: "notice"; key: string; at: Millis; text: string; tone: "calm" | "bad" };

// What an approval is for, as the model's own message has it.
export type Asked = Pick<ToolUse, "name" | "input">;

export type Outcome =
  | { kind: "waiting" }
  | { kind: "answered"; verdict: Verdict; userId: string; at: Millis }
  // The action is over without anybody's word: the time ran out, the screen changed, or it was stopped.
  | { kind: "over"; why: string };

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

interface Known {
  results: Map<string, ToolResult>;
  uses: Map<string, Asked>;
  words: Map<number, Extract<Event, { type: "approval_answered" }>>;
  running: string[];
  session: SessionState;
}

export function timeline(state: Pick<ChatState, "events" | "running" | "session">): Entry[] {
  const known: Known = { ...state, results: new Map(), uses: new Map(), words: new Map() };
  for (const event of state.events) {
    if (event.type === "tool_result") known.results.set(event.tool_use_id, event);
    // The first word counts.
    if (event.type === "approval_answered" && !known.words.has(event.approval))
      known.words.set(event.approval, event);
  }
  return state.events.flatMap((event) => entry(event, known));
}

// The approval that waits for a word now, if one does.
export function waitingApproval(entries: Entry[]): Extract<Entry, { kind: "approval" }> | undefined {
  return entries.findLast((entry) => entry.kind === "approval" && entry.outcome.kind === "waiting") as
    Extract<Entry, { kind: "approval" }> | undefined;
}

function entry(event: Event, known: Known): Entry[] {
  const key = String(event.seq);
  switch (event.type) {
    case "user_message":
      return [{ kind: "you", key, at: event.at, text: event.text }];
    case "assistant_message": {
      const parts = event.content.flatMap((block) => part(block, known));
      for (const said of parts) if (said.kind === "tool") known.uses.set(said.use.id, said.use);
      const stopped = STOPPED.get(event.stop_reason);
      if (parts.length === 0 && !stopped) return [];
      return [{ kind: "agent", key, at: event.at, console: event.model === "console", parts, stopped }];
    }
    case "approval_asked": {
      const use = known.uses.get(event.tool_use_id) ?? { name: event.tool, input: {} };
      return [{ kind: "approval", key, at: event.at, asked: event, use, outcome: outcome(event, known) }];
    }
    case "handed_back": {
      const { note, picture, user_id: userId } = event;
      return [
        {
          kind: "handed_back",
          key,
          at: event.at,
          userId,
          note: note ?? undefined,
          picture: picture ?? undefined,
        },
      ];
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

function outcome(asked: ApprovalAsked & { seq: number }, known: Known): Outcome {
  const word = known.words.get(asked.seq);
  if (word) return { kind: "answered", verdict: word.verdict, userId: word.user_id, at: word.at };
  const result = known.results.get(asked.tool_use_id);
  if (result) return { kind: "over", why: result.content.flatMap(textOf).join("\n").trim() };
  return hasWork(known.session) ? { kind: "waiting" } : { kind: "over", why: "" };
}

function textOf(block: ToolResult["content"][number]): string[] {
  return block.type === "text" ? [block.text] : [];
}

function part(block: unknown, { results, ...state }: Known): Part[] {
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
