// From a session's record to what is played back: one step an action, with what was said and seen around it.
import type { Event, Millis, Picture, Point, ResultBlock } from "../../api/types";
import { type Description, describe } from "../../chat/describe";

export interface Step {
  seq: number;
  at: Millis;
  // What was said, thought and decided since the step before.
  said: Said[];
  action: Action | undefined;
  // The screen after it; that of an earlier step where this one has none.
  picture: Picture | undefined;
  // Is the picture of this very step?
  fresh: boolean;
  // Where it clicked, in its own picture.
  mark: Point | undefined;
}

export interface Said {
  from: "you" | "agent" | "thought" | "console" | "notice";
  text: string;
}

export type Action = Description & { failed: boolean; output: string };

interface Use {
  name: string;
  input: Record<string, unknown>;
  said: Said[];
}

export function steps(events: Event[]): Step[] {
  const uses = new Map<string, Use>();
  const made: Step[] = [];
  let said: Said[] = [];

  const step = (event: Event, action: Action | undefined, own: Picture | undefined, mark?: Point) => {
    made.push({
      seq: event.seq,
      at: event.at,
      said,
      action,
      picture: own ?? made.at(-1)?.picture,
      fresh: own !== undefined,
      mark: own && mark,
    });
    said = [];
  };

  for (const event of events) {
    switch (event.type) {
      case "assistant_message":
        for (const block of event.content) {
          const use = read(block, event.model === "console", said);
          // What stands before an action belongs to it, also where several follow in one message.
          if (use) {
            uses.set(use.id, { ...use, said });
            said = [];
          }
        }
        break;
      case "tool_result": {
        const use = uses.get(event.tool_use_id);
        uses.delete(event.tool_use_id);
        said = [...(use?.said ?? []), ...said];
        const action = {
          ...describe(use?.name ?? "an unknown tool", use?.input ?? {}),
          failed: event.is_error,
          output: textOf(event.content),
        };
        const image = event.content.find((block) => block.type === "image");
        const own = event.trace?.picture ?? image?.picture;
        step(event, action, own, (event.trace?.picture && event.trace.mark) ?? undefined);
        break;
      }
      case "handed_back":
        if (event.note) said.push({ from: "you", text: event.note });
        step(event, HANDED_BACK, event.picture ?? undefined);
        break;
      default:
        said.push(...words(event));
    }
  }
  // An action that has no result yet is none to show, but what was said of it is.
  said = [...[...uses.values()].flatMap((use) => use.said), ...said];
  const last = events.at(-1);
  if (said.length > 0 && last) step(last, undefined, undefined);
  return made;
}

const HANDED_BACK: Action = {
  tool: "handed_back",
  title: "A person drove, and handed control back",
  failed: false,
  output: "",
};

// Adds what a block says to `said`; answers the action that it is, if it is one.
function read(
  block: unknown,
  console: boolean,
  said: Said[],
): (Omit<Use, "said"> & { id: string }) | undefined {
  if (typeof block !== "object" || block === null) return undefined;
  const { type, text, thinking, id, name, input } = block as Record<string, unknown>;
  if (type === "text" && typeof text === "string" && text.trim()) {
    said.push({ from: console ? "console" : "agent", text });
  }
  if (type === "thinking" && typeof thinking === "string" && thinking.trim()) {
    said.push({ from: "thought", text: thinking });
  }
  if (type !== "tool_use" || typeof id !== "string" || typeof name !== "string") return undefined;
  const values = typeof input === "object" && input !== null ? (input as Use["input"]) : {};
  return { id, name, input: values };
}

function words(event: Event): Said[] {
  switch (event.type) {
    case "user_message":
      return [{ from: "you", text: event.text }];
    case "notice":
      return [{ from: "notice", text: event.text }];
    case "approval_answered":
      return [
        { from: "notice", text: event.verdict === "approved" ? "A person approved." : "A person denied." },
      ];
    case "state_changed":
      if (event.state === "failed") {
        return [{ from: "notice", text: event.reason ?? "The agent could not go on." }];
      }
      return event.state === "cancelled" ? [{ from: "notice", text: event.reason ?? "Stopped." }] : [];
    default:
      return [];
  }
}

function textOf(content: ResultBlock[]): string {
  return content
    .flatMap((block) => (block.type === "text" ? [block.text] : []))
    .join("\n")
    .trim();
}

// The pictures that come next, each once: what a player should have at hand.
export function upcoming(all: Step[], index: number, count: number): string[] {
  const next = all
    .slice(index + 1)
    .flatMap((step) => (step.fresh && step.picture ? [step.picture.sha256] : []));
  return [...new Set(next)].slice(0, count);
}
