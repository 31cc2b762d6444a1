import { expect, test } from "vitest";
import { calledBy, inWords, serversTool } from "./names";

test.each([
  ["mcp__files__read", { server: "files", tool: "read" }],
  ["mcp__git-hub-2__create_issue", { server: "git-hub-2", tool: "create_issue" }],
  ["mcp__s___private", { server: "s", tool: "_private" }],
  ["mcp__s__a__b", { server: "s", tool: "a__b" }],
])("%s is a server's tool", (called, whose) => {
  expect(serversTool(called)).toEqual(whose);
});

test.each(["bash", "mcp__", "mcp__files", "mcp__files__", "mcp____read", "mcp:files", "xmcp__files__read"])(
  "%s is no server's tool",
  (called) => {
    expect(serversTool(called)).toBeUndefined();
  },
);

test("people read the tool before its server", () => {
  expect(inWords({ server: "files", tool: "read" })).toBe("read · files");
});

test("a plain tool is called by its own name, and comes back from it", () => {
  const called = calledBy("git-hub", "create_issue", ["create_issue", "read"]);

  expect(called).toBe("mcp__git-hub__create_issue");
  expect(serversTool(called ?? "")).toEqual({ server: "git-hub", tool: "create_issue" });
});

test("other characters are replaced, one by one", () => {
  expect(calledBy("s", "schön.er 😀", ["schön.er 😀"])).toBe("mcp__s__sch_n_er__");
});

test("no name is told where the desktop makes up another", () => {
  expect(calledBy("s", "a_b", ["a_b", "a.b"])).toBeUndefined();
  expect(calledBy("s", "a.b", ["a_b", "a.b"])).toBeUndefined();
  expect(calledBy("s", "a".repeat(57), ["a"])).toBeUndefined();
  expect(calledBy("s", "a".repeat(56), ["a"])).toHaveLength(64);
});
