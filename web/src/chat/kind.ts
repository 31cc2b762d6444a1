// What sort of thing an action is: for its icon, and for whether its result tells anything.
import type { Description } from "./describe";

export type Kind = "pointer" | "keyboard" | "eye" | "clock" | "terminal" | "file" | "other";

export function kindOf(tool: string): Kind {
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
