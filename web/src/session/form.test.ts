import { expect, test } from "vitest";
import type { ModelChoice, SessionSettings } from "../api/types";
import { type Errors, fromForm, hasPrices, type SettingsForm, toForm, withRule } from "./form";

const FULL: SessionSettings = {
  model: "claude",
  system_prompt: "Be brief.",
  approvals: "risky",
  tools: { bash: "ask", "mcp:files": "deny" },
  approval_timeout_s: 90,
  budgets: { steps: 50, seconds: 3700, tokens: 1_000_000, cost_microusd: 1_250_001 },
};
const form = (change: Partial<SettingsForm> = {}): SettingsForm => ({ ...toForm({}), ...change });
const errors = (change: Partial<SettingsForm>): Errors => {
  const read = fromForm(form(change), true);
  return "errors" in read ? read.errors : {};
};

test("settings come back from the form as they went in", () => {
  expect(fromForm(toForm(FULL), true)).toEqual({ settings: FULL });
});

test("minutes and dollars are what people read", () => {
  expect(toForm(FULL)).toMatchObject({ timeoutMinutes: "1.5", minutes: "61.666667", dollars: "1.250001" });
});

test("settings of which nothing is told are the usual ones", () => {
  expect(fromForm(toForm({}), true)).toEqual({
    settings: { approvals: "never", tools: {}, approval_timeout_s: 600, budgets: {} },
  });
});

test("a time-out has its bounds", () => {
  const refused = ["", "0", "0.1", "1441", "soon"].map((timeoutMinutes) => errors({ timeoutMinutes }));

  expect(refused.every((found) => found.timeoutMinutes)).toBe(true);
  expect(["0.2", "10", "1440"].map((timeoutMinutes) => errors({ timeoutMinutes }))).toEqual([{}, {}, {}]);
});

test("a budget is a positive number or nothing", () => {
  expect(Object.keys(errors({ steps: "0", minutes: "-1", tokens: "1.5", dollars: "x" }))).toEqual([
    "steps",
    "minutes",
    "tokens",
    "dollars",
  ]);
  expect(errors({ steps: " ", minutes: "0.5", tokens: "1", dollars: "0.01" })).toEqual({});
});

test("without prices no budget of money is sent, whatever stands in the field", () => {
  const read = fromForm(form({ dollars: "5" }), false);

  expect(read).toMatchObject({ settings: { budgets: {} } });
});

test("the default model's prices count when none is chosen", () => {
  const model = (name: string, has_prices: boolean, usual: boolean): ModelChoice => ({
    name,
    provider: "anthropic",
    has_prices,
    default: usual,
  });
  const models = [model("a", true, true), model("b", false, false)];

  expect(hasPrices(form(), models)).toBe(true);
  expect(hasPrices(form({ model: "b" }), models)).toBe(false);
  expect(hasPrices(form({ model: "gone" }), models)).toBe(false);
  expect(hasPrices(form(), undefined)).toBe(false);
});

test("a tool's rule is set, changed and taken away", () => {
  const set = withRule({ key: "deny" }, "bash", "ask");

  expect(set).toEqual({ key: "deny", bash: "ask" });
  expect(withRule(set, "bash", "")).toEqual({ key: "deny" });
});
