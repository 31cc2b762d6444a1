// The wire types, as control describes them in its OpenAPI document.
export type Millis = number;

export interface Size {
  width: number;
  height: number;
}
export interface Point {
  x: number;
  y: number;
}
export type DesktopState =
  | "requested"
  | "launching"
  | "booting"
  | "ready"
  | "stopping"
  | "stopped"
  | "interrupted"
  | "failed"
  | "deleting"
  | "deleted";

export interface Desktop {
  id: string;
  name: string;
  state: DesktopState;
  reason?: string | null;
  size: Size;
  generation: number;
  created_at: Millis;
  state_since: Millis;
}

export type SessionState =
  "idle" | "queued" | "running" | "waiting_approval" | "paused" | "waiting_control" | "failed" | "cancelled";

export interface Session {
  id: string;
  desktop_id: string;
  title: string;
  state: SessionState;
  reason?: string | null;
  archived: boolean;
  last_seq: number;
  created_at: Millis;
  updated_at: Millis;
}

export interface User {
  id: string;
  email: string;
  created_at: Millis;
}

export interface ProviderKey {
  provider: "anthropic";
  masked: string;
  stored_at: Millis;
}
export interface KeyCheck {
  accepted: boolean;
  detail: string;
}

export interface Problem {
  status: number;
  code: string;
  title: string;
  detail: string;
  request_id?: string | null;
}

export interface Picture {
  sha256: string;
  media_type: string;
  size: Size;
}
export type ResultBlock = { type: "text"; text: string } | { type: "image"; picture: Picture };
export interface ActionTrace {
  took_ms: number;
  settled?: boolean | null;
  waited_ms?: number | null;
  picture?: Picture | null;
  mark?: Point | null;
}
export interface ToolResult {
  tool_use_id: string;
  is_error: boolean;
  content: ResultBlock[];
  trace?: ActionTrace;
}
export type EventBody =
  | { type: "user_message"; message_id: string; user_id: string; text: string }
  | { type: "assistant_message"; message_id: string; content: unknown[]; stop_reason: string; model: string }
  | ({ type: "tool_result" } & ToolResult)
  | { type: "state_changed"; state: SessionState; reason?: string | null }
  | { type: "notice"; text: string };
export type Event = { seq: number; at: Millis } & EventBody;

export interface PostedMessage {
  message_id: string;
  seq: number;
}
export interface Page<T> {
  items: T[];
  next?: string | null;
}

// The chat socket (`WS desktops/{id}/chat`), which OpenAPI cannot describe.
export type ChatUp = { type: "send"; client_id: string; text: string } | { type: "stop" };
export type DeltaKind = "text" | "thinking" | "tool_input";
export type ChatDown =
  | { type: "hello"; session_id: string; state: SessionState; last_seq: number; model?: string | null }
  | { type: "event"; event: Event }
  | {
      type: "delta";
      message_id: string;
      block: number;
      offset: number;
      kind: DeltaKind;
      text: string;
    }
  | { type: "discarded"; message_id: string }
  | { type: "tool_started"; tool_use_id: string }
  | { type: "accepted"; client_id: string; seq: number }
  | { type: "problem"; client_id?: string | null; problem: Problem };
