// The wire types under the names that the app uses, from control's OpenAPI document (`npm run api`).
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Millis = number;
export type Size = Schemas["Size"];
export type Point = Schemas["Point"];
export type Rect = Schemas["Rect"];
export type Desktop = Schemas["Desktop"];
export type DesktopState = Schemas["DesktopState"];
export type SessionState = Schemas["SessionState"];
export type User = Schemas["User"];
export type ProviderKey = Schemas["ProviderKey"];
export type KeyCheck = Schemas["KeyCheck"];
export type ModelProvider = Schemas["ModelProvider"];
export type Picture = Schemas["Picture"];
export type ResultBlock = Schemas["ResultBlock"];
export type ToolResult = Schemas["ToolResult"];
export type PostedMessage = Schemas["PostedMessage"];
export type ControlStatus = Schemas["ControlStatus"];
export type ApprovalAsked = Schemas["ApprovalAsked"];
export type ApprovalPolicy = Schemas["ApprovalPolicy"];
export type ToolRule = Schemas["ToolRule"];
export type Risk = Schemas["Risk"];
export type Verdict = Schemas["Verdict"];
export type Spent = Schemas["Spent"];
export type Secret = Schemas["Secret"];
export type ModelChoice = Schemas["ListedModel"];
export type HandBack = Schemas["HandBack"];
export type McpServer = Schemas["McpServer"];
export type McpServerConfig = Schemas["McpServerConfig"];
export type McpTransport = Schemas["McpTransport"];
export type McpState = Schemas["McpState"];
export type McpStatus = Schemas["McpStatus"];
export type McpTool = Schemas["McpTool"];
export type McpTried = Schemas["McpTried"];
export type McpLogLine = Schemas["McpLogLine"];

// The document tells defaults, so that its types demand what may well be left out.
export type Budgets = Partial<Schemas["Budgets"]>;
export type SessionSettings = Partial<Omit<Schemas["SessionSettings"], "budgets">> & { budgets?: Budgets };
export type Session = Omit<Schemas["Session"], "settings"> & { settings: SessionSettings };

// A problem may also be the browser's own, such as an answer that never came; and a newer server knows more codes.
export type Problem = Omit<Schemas["Problem"], "code"> & { code: string };

// Content blocks are whatever the model's provider sent: the document can only call them objects.
export type EventBody =
  | Exclude<Schemas["EventBody"], { type: "assistant_message" }>
  | (Omit<Schemas["AssistantMessage"], "content"> & { content: unknown[]; type: "assistant_message" });
export type Event = EventBody & { seq: number; at: Millis };

export interface Page<T> {
  items: T[];
  next?: string | null;
}

// The chat socket (`WS desktops/{id}/chat`).
export type ChatUp = Schemas["ChatUp"];
export type DeltaKind = Schemas["DeltaKind"];
export type ChatDown =
  | Exclude<Schemas["ChatDown"], { type: "event" | "problem" }>
  | { type: "event"; event: Event }
  | { type: "problem"; client_id?: string | null; problem: Problem };
