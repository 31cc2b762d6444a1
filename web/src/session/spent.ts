// What a session has used, against what it may use.
import type { Budgets, Event, Session, Spent } from "../api/types";

// A session is as old as its newest event; what its record says since then comes on top.
export function spentUntilNow(session: Pick<Session, "spent" | "last_seq">, events: Event[]): Spent {
  return events.reduce(add, { known: session.last_seq, spent: session.spent }).spent;
}

interface Sum {
  known: number;
  spent: Spent;
}

function add(sum: Sum, event: Event): Sum {
  if (event.type !== "assistant_message" && event.type !== "answer_lost") return sum;
  if (event.seq <= sum.known || event.model === "console") return sum;
  const { spent } = sum;
  const usage = { ...spent.usage };
  for (const kind of KINDS) usage[kind] = (usage[kind] ?? 0) + (event.usage?.[kind] ?? 0);
  return {
    ...sum,
    spent: {
      // An answer of which nothing came is no step, and is paid for all the same.
      steps: spent.steps + (event.type === "assistant_message" ? 1 : 0),
      usage,
      cost_microusd: spent.cost_microusd + (event.cost_microusd ?? 0),
    },
  };
}

const KINDS = [
  "input_tokens",
  "output_tokens",
  "cache_creation_input_tokens",
  "cache_read_input_tokens",
] as const;

export function tokens(spent: Spent): number {
  return KINDS.reduce((sum, kind) => sum + (spent.usage[kind] ?? 0), 0);
}

// "12 of 50 steps", "34k tokens", "$0.12 of $1.00"; nothing of what was not used and has no bound.
export function spentInWords(spent: Spent, budgets: Budgets): string[] {
  const used = tokens(spent);
  return [
    line(spent.steps, budgets.steps, String, " steps"),
    line(used, budgets.tokens, short, " tokens"),
    line(spent.cost_microusd, budgets.cost_microusd, dollars, ""),
  ].flatMap((text) => (text ? [text] : []));
}

function line(
  used: number,
  bound: number | null | undefined,
  show: (value: number) => string,
  unit: string,
): string | undefined {
  if (bound) return `${show(used)} of ${show(bound)}${unit}`;
  if (used === 0) return undefined;
  return `${show(used)}${used === 1 ? unit.replace(/s$/, "") : unit}`;
}

export function short(value: number): string {
  if (value < 1000) return String(value);
  if (value < 999_500) return `${trim(value / 1000)}k`;
  return `${trim(value / 1_000_000)}M`;
}

function trim(value: number): string {
  return value < 10 ? value.toFixed(1).replace(/\.0$/, "") : String(Math.round(value));
}

export function dollars(microusd: number): string {
  if (microusd > 0 && microusd < 10_000) return "<$0.01";
  return `$${(microusd / 1_000_000).toFixed(2)}`;
}
