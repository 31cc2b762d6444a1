import { expect, test } from "vitest";
import type { ModelChoice } from "../api/types";
import { byProvider, modelOf } from "./models";

const model = (name: string, provider: string, usual = false): ModelChoice => ({
  name,
  provider,
  has_prices: true,
  default: usual,
});
const models = [
  model("large", "anthropic", true),
  model("wide", "openai"),
  model("small", "anthropic"),
  model("own", "house"),
];

test("models stand under their providers, both in the order of the table", () => {
  const groups = byProvider(models);

  expect(groups.map(({ title, models: own }) => [title, own.map(({ name }) => name)])).toEqual([
    ["Anthropic", ["large", "small"]],
    ["OpenAI", ["wide"]],
    ["house", ["own"]],
  ]);
  expect(byProvider([])).toEqual([]);
});

test("the default answers where none is chosen, or none that is offered", () => {
  expect(modelOf("wide", models)?.name).toBe("wide");
  for (const name of ["", null, undefined, "gone"]) expect(modelOf(name, models)?.name).toBe("large");
  expect(modelOf("wide", undefined)).toBeUndefined();
});
