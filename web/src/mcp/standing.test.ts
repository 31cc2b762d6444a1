import { expect, test } from "vitest";
import type { McpState } from "../api/types";
import running from "../../../protocol/tests/snapshots/wire_mcp__servers_that_run.snap?raw";
import { askAgainMs, isNoWordYet, ordersFor, STATES, toolsInWords } from "./standing";

const snapshot = JSON.parse(running.split("\n---\n")[1] ?? "") as unknown[];
const status = (state: McpState) => ({ name: "files", state, since: 1, tools: 0 });

test("every state of the protocol has its word", () => {
  expect(Object.keys(STATES)).toEqual(snapshot.at(-1));
});

test("what changes is asked for soon, and what rests more rarely", () => {
  expect(["starting", "stopping"].map((state) => askAgainMs(status(state as McpState), false))).toEqual([
    2_000, 2_000,
  ]);
  expect(
    ["stopped", "running", "failed"].map((state) => askAgainMs(status(state as McpState), false)),
  ).toEqual([10_000, 10_000, 10_000]);
  expect(askAgainMs(undefined, false)).toBe(10_000);
});

test("what was ordered and not answered yet is asked for soon", () => {
  expect(askAgainMs(status("stopped"), true)).toBe(2_000);
});

test("a desktop that is not there yet, or has not heard the news, is no failure", () => {
  expect(isNoWordYet("desktop_not_ready", false)).toBe(true);
  expect(isNoWordYet("not_found", true)).toBe(true);
  expect(isNoWordYet("not_found", false)).toBe(false);
  expect(isNoWordYet("unavailable", true)).toBe(false);
});

test("a server can always be brought to run or to rest", () => {
  expect(ordersFor("running")).toEqual(["restart", "stop"]);
  expect(ordersFor("starting")).toEqual(["stop"]);
  expect(ordersFor("stopping")).toEqual([]);
  expect([ordersFor("stopped"), ordersFor("failed")]).toEqual([["start"], ["start"]]);
});

test("tools are counted", () => {
  expect([0, 1, 5].map(toolsInWords)).toEqual(["0 tools", "1 tool", "5 tools"]);
});
