import { expect, test } from "vitest";
import { kindOf, speaks } from "./kind";

test.each([
  ["left_click", "pointer"],
  ["back_click", "pointer"],
  ["forward_click", "pointer"],
  ["drag", "pointer"],
  ["hold_key", "keyboard"],
  ["bash", "terminal"],
  ["some_new_tool", "other"],
])("%s is of the kind %s", (tool, kind) => {
  expect(kindOf(tool)).toBe(kind);
});

test.each(["mcp__browser__click", "mcp__browser__screenshot", "mcp__notes__edit", "mcp__x__type"])(
  "%s is a server's, however it is called, and its answer is read",
  (tool) => {
    expect(kindOf(tool)).toBe("other");
    expect(speaks({ tool, title: "" })).toBe(true);
  },
);

test("what a click answers says nothing that its title does not", () => {
  expect(speaks({ tool: "back_click", title: "" })).toBe(false);
});
