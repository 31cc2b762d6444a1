import { expect, test } from "vitest";
import type { Event, Spent } from "../api/types";
import { dollars, short, spentInWords, spentUntilNow, tokens } from "./spent";

const NOTHING: Spent = {
  steps: 0,
  usage: {
    input_tokens: 0,
    output_tokens: 0,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
  },
  cost_microusd: 0,
};
const answer = (seq: number, model = "claude"): Event => ({
  seq,
  at: seq,
  type: "assistant_message",
  message_id: `msg-${seq}`,
  content: [],
  stop_reason: "end_turn",
  model,
  usage: { input_tokens: 100, output_tokens: 10, cache_creation_input_tokens: 1, cache_read_input_tokens: 2 },
  cost_microusd: 500,
});

test("answers that the session does not know of yet are added, others are not counted twice", () => {
  const session = { last_seq: 2, spent: { ...NOTHING, steps: 1, cost_microusd: 500 } };

  const spent = spentUntilNow(session, [answer(2), answer(3), answer(4)]);

  expect([spent.steps, spent.cost_microusd, tokens(spent)]).toEqual([3, 1500, 226]);
});

test("an answer of which nothing came is paid for and is no step", () => {
  const usage = { input_tokens: 40, output_tokens: 2 };
  const lost: Event = { seq: 1, at: 1, type: "answer_lost", model: "claude", usage, cost_microusd: 70 };

  const spent = spentUntilNow({ last_seq: 0, spent: NOTHING }, [lost]);

  expect([spent.steps, spent.cost_microusd, tokens(spent)]).toEqual([0, 70, 42]);
});

test("the console costs nothing", () => {
  expect(spentUntilNow({ last_seq: 0, spent: NOTHING }, [answer(1, "console")])).toEqual(NOTHING);
});

test("what has a budget is shown against it, what was not used and has none is not shown", () => {
  const spent = { ...NOTHING, steps: 12, usage: { ...NOTHING.usage, input_tokens: 34_200 } };

  expect(spentInWords(NOTHING, {})).toEqual([]);
  expect(spentInWords(spent, {})).toEqual(["12 steps", "34k tokens"]);
  expect(spentInWords(spent, { steps: 50, tokens: 1_000_000, cost_microusd: 1_000_000 })).toEqual([
    "12 of 50 steps",
    "34k of 1M tokens",
    "$0.00 of $1.00",
  ]);
});

test("one of a kind is told in the singular", () => {
  expect(spentInWords({ ...NOTHING, steps: 1 }, {})).toEqual(["1 step"]);
});

test.each([
  [999, "999"],
  [1500, "1.5k"],
  [34_200, "34k"],
  [999_499, "999k"],
  [999_500, "1M"],
  [2_400_000, "2.4M"],
])("%d is shortened to %s", (value, text) => {
  expect(short(value)).toBe(text);
});

test("a cost too small for cents is not nothing", () => {
  expect([0, 33, 120_000].map(dollars)).toEqual(["$0.00", "<$0.01", "$0.12"]);
});
