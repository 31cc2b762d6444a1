import { expect, test } from "vitest";
import { asSecretName, holdsSecret, isSecretName, placeholderOf } from "./secrets";

test.each([
  ["A", true],
  ["BANK_PIN_2", true],
  ["A".repeat(64), true],
  ["A".repeat(65), false],
  ["", false],
  ["_A", false],
  ["2A", false],
  ["bank", false],
  ["BANK PIN", false],
])("%j is a name: %s", (name, is) => {
  expect(isSecretName(name)).toBe(is);
});

test("a name is brought into capitals while it is typed", () => {
  expect(asSecretName("bank pin-2!")).toBe("BANK_PIN_2");
});

test("the agent names a secret without knowing it", () => {
  expect(placeholderOf("BANK_PIN")).toBe("{{secret:BANK_PIN}}");
});

test("a text holds a secret wherever one is named in it", () => {
  expect([placeholderOf("A"), `Bearer ${placeholderOf("A")}`].every(holdsSecret)).toBe(true);
  expect(["", "secret", "{{A}}"].some(holdsSecret)).toBe(false);
});
