// What sort of thing an action is: for its icon, and for whether its result tells anything.
import { isServersTool } from "../mcp/names";
import type { Description } from "./describe";

export type Kind = "pointer" | "keyboard" | "eye" | "clock" | "terminal" | "file" | "other";

export function kindOf(tool: string): Kind {
  // Whatever a server calls its tool: only the tool's own words tell what it did.
  if (isServersTool(tool)) return "other";
  if (/click|mouse|drag|scroll|cursor/.test(tool)) return "pointer";
  if (/^(key|hold_key|type)$/.test(tool)) return "keyboard";
  if (/screenshot|zoom/.test(tool)) return "eye";
  if (tool === "wait") return "clock";
  if (/bash|shell/.test(tool)) return "terminal";
  if (/edit/.test(tool)) return "file";
  return "other";
}

// "Clicked." says nothing that the card's title does not.
export function speaks({ tool }: Description): boolean {
  return ["terminal", "file", "other"].includes(kindOf(tool)) || tool === "cursor_position";
}
