import { expect, test } from "vitest";
import { lacksKey, titleOfProvider } from "./providers";
import type { ModelProvider, ProviderKey } from "./types";

const providers: ModelProvider[] = [
  { name: "anthropic", api: "anthropic_messages", needs_key: true },
  { name: "house", api: "openai_chat", needs_key: false },
  { name: "openai", api: "openai_responses", needs_key: true },
];
const keys: ProviderKey[] = [{ provider: "anthropic", masked: "••••3fQA", stored_at: 1 }];

test("a provider that wants a key lacks it until one is stored for it", () => {
  expect(lacksKey("openai", providers, keys)).toBe(true);
  expect(lacksKey("anthropic", providers, keys)).toBe(false);
  expect(lacksKey("anthropic", providers, [])).toBe(true);
});

test("a provider without a need lacks nothing", () => {
  expect(lacksKey("house", providers, [])).toBe(false);
});

test("what is not known yet is not missing", () => {
  expect(lacksKey("openai", undefined, keys)).toBe(false);
  expect(lacksKey("openai", providers, undefined)).toBe(false);
  expect(lacksKey(undefined, providers, keys)).toBe(false);
  expect(lacksKey("gone", providers, keys)).toBe(false);
});

test("an operator's provider goes by its own name", () => {
  expect(["anthropic", "openai", "house"].map(titleOfProvider)).toEqual(["Anthropic", "OpenAI", "house"]);
});
