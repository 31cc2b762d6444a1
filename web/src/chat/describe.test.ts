import { expect, test } from "vitest";
import { describe } from "./describe";

test.each([
  ["screenshot", {}, "Look at the screen"],
  ["left_click", { coordinate: [300, 200] }, "Click at 300, 200"],
  ["left_click", {}, "Click"],
  ["left_click", { coordinate: [1, 2], text: "ctrl" }, "Click at 1, 2 with ctrl"],
  ["double_click", { coordinate: [1, 2] }, "Double-click at 1, 2"],
  ["click", { button: "right", count: 1, at: { x: 5, y: 6 } }, "Click with the right button at 5, 6"],
  ["left_click_drag", { start_coordinate: [1, 2], coordinate: [3, 4] }, "Drag from 1, 2 to 3, 4"],
  [
    "drag",
    {
      path: [
        { x: 1, y: 2 },
        { x: 9, y: 9 },
        { x: 3, y: 4 },
      ],
    },
    "Drag from 1, 2 to 3, 4",
  ],
  [
    "drag",
    {
      path: [
        [1, 2],
        [5, 6],
      ],
      text: "ALT",
    },
    "Drag from 1, 2 to 5, 6 with ALT",
  ],
  ["back_click", { coordinate: [1, 2] }, "Press the mouse's back button at 1, 2"],
  ["forward_click", { coordinate: [1, 2] }, "Press the mouse's forward button at 1, 2"],
  ["mcp__git-hub__create_issue", {}, "create_issue · git-hub"],
  ["scroll", { scroll_direction: "down", scroll_amount: 3, coordinate: [1, 2] }, "Scroll down by 3 at 1, 2"],
  ["key", { text: "ctrl+l" }, "Press ctrl+l"],
  ["key", { keys: "Tab", repeat: 3 }, "Press Tab 3 times"],
  ["hold_key", { text: "shift", duration: 2 }, "Hold shift for 2 s"],
  ["type", { text: "hello" }, "Type “hello”"],
  ["wait", { duration_ms: 1500 }, "Wait for 1.5 s"],
  ["zoom", { region: [0, 0, 100, 50] }, "Look closely at 0, 0 to 100, 50"],
  ["open", { target: "https://example.org" }, "Open https://example.org"],
  ["bash", { restart: true }, "Restart the shell"],
  ["some_new_tool", {}, "Use some new tool"],
])("%s %j reads: %s", (name, input, title) => {
  expect(describe(name, input).title).toBe(title);
});

test("a command is shown as it is", () => {
  expect(describe("bash", { command: "ls -la" })).toEqual({
    tool: "bash",
    title: "Run a command",
    code: "ls -la",
  });
});

test("a long text is shown below, not in the title", () => {
  expect(describe("type", { text: "a\nb" })).toMatchObject({ title: "Type a text", code: "a\nb" });
});

test("what a server's tool is given is shown as it is", () => {
  expect(describe("mcp__files__read", { path: "/home/a" })).toEqual({
    tool: "mcp__files__read",
    title: "read · files",
    code: '{\n  "path": "/home/a"\n}',
  });
});

test("an edit shows what goes and what comes", () => {
  const edit = { command: "str_replace", path: "/home/a", old_str: "x", new_str: "y\nz" };

  expect(describe("str_replace_based_edit_tool", edit)).toMatchObject({
    title: "Change /home/a",
    code: "- x\n+ y\n+ z\n",
  });
});

test("a tool that packs its actions is named by the action", () => {
  expect(describe("computer", { action: "left_click", coordinate: [1, 2] })).toEqual({
    tool: "left_click",
    title: "Click at 1, 2",
  });
});

test("inputs of the wrong kind never break the page", () => {
  for (const input of [
    { coordinate: "x" },
    { coordinate: [] },
    { coordinate: null },
    { text: 7 },
    { region: 1 },
  ]) {
    for (const name of [
      "left_click",
      "zoom",
      "type",
      "key",
      "drag",
      "scroll",
      "bash",
      "toString",
      "constructor",
    ]) {
      expect(typeof describe(name, input as Record<string, unknown>).title).toBe("string");
    }
  }
});
