import { expect, test } from "vitest";
import added from "../../../protocol/tests/snapshots/wire_mcp__servers_that_are_added_to_a_desktop.snap?raw";
import type { McpServer, McpServerConfig } from "../api/types";
import {
  asServerName,
  EMPTY,
  type Errors,
  fromForm,
  isServerName,
  MASK,
  type ServerForm,
  summaryOf,
  toForm,
} from "./form";

const [process, remote] = JSON.parse(added.split("\n---\n")[1] ?? "") as [
  McpServerConfig,
  McpServer & McpServerConfig,
];
const stored = (config: McpServerConfig): McpServer => ({
  ...config,
  autostart: config.autostart ?? true,
  created_at: 1,
  updated_at: 2,
});
const errors = (change: Partial<ServerForm>): Errors => {
  const read = fromForm({ ...EMPTY, name: "files", ...change });
  return "errors" in read ? read.errors : {};
};

test("a server that is not changed is sent as the protocol has it", () => {
  expect(fromForm(toForm(stored(process)))).toEqual({ config: process });

  const { created_at, updated_at, ...config } = remote;
  expect([created_at, updated_at]).toEqual([1, 2]);
  expect(fromForm(toForm(remote))).toEqual({ config });
});

test("a masked value stays a mask, and a placeholder a placeholder", () => {
  expect(toForm(remote).headers).toBe(`authorization: ${MASK}`);
  expect(toForm(stored(process)).env).toBe("TOKEN={{secret:FILES}}");
});

test("a server that cannot be read any more is written anew under its name", () => {
  const { transport, ...unread } = remote;

  expect(transport).toBeDefined();
  expect(toForm(unread)).toEqual({ ...EMPTY, name: "issues-2" });
});

test("a secret is not sent where the desktop can read it", () => {
  const headers = "x-plain: 1\nAuthorization: Bearer {{secret:TOKEN}}";

  for (const url of ["http://127.0.0.1:8000/mcp", " HTTP://a.example/"]) {
    expect(errors({ way: "http", url, headers }).headers).toMatch(/^Authorization holds a secret/);
    expect(errors({ way: "http", url, headers: "Authorization: Bearer plain" })).toEqual({});
  }
  expect(errors({ way: "http", url: "https://a.example/", headers })).toEqual({});
});

test("a form of a process sends nothing of an address, and the other way round", () => {
  const both = {
    ...EMPTY,
    name: "a",
    command: " mcp ",
    env: "A=1",
    url: "http://a.example/",
    headers: "b: c",
  };

  expect(fromForm(both)).toEqual({
    config: {
      name: "a",
      transport: { type: "stdio", command: "mcp", args: [], env: { A: "1" } },
      autostart: true,
    },
  });
  expect(fromForm({ ...both, way: "http", autostart: false })).toEqual({
    config: {
      name: "a",
      transport: { type: "http", url: "http://a.example/", headers: { b: "c" } },
      autostart: false,
    },
  });
});

test("each field says what is wrong with it, and only those that are sent", () => {
  expect(Object.keys(errors({ name: "A", args: '"', env: "x", url: "no", headers: "no" }))).toEqual([
    "name",
    "command",
    "args",
    "env",
  ]);
  expect(Object.keys(errors({ way: "http", env: "x", url: "ftp://a/", headers: "no" }))).toEqual([
    "url",
    "headers",
  ]);
});

test.each(["", "a.example/mcp", "ftp://a.example/", "http://", "https://a b/", "javascript:alert(1)"])(
  "%j is no address",
  (url) => {
    expect(errors({ way: "http", url }).url).toBeDefined();
  },
);

test.each(["https://a.example/mcp?x=1", " http://127.0.0.1:8000 ", "http://[::1]:3000/mcp"])(
  "%j is an address",
  (url) => {
    expect(errors({ way: "http", url })).toEqual({});
  },
);

test.each([
  ["a", true],
  ["git-hub", true],
  ["a--b", true],
  ["2".repeat(32), true],
  ["2".repeat(33), false],
  ["", false],
  ["-", false],
  ["-a", false],
  ["a-", false],
  ["A", false],
  ["a_b", false],
  ["ä", false],
])("%j is a server's name: %s", (name, is) => {
  expect(isServerName(name)).toBe(is);
});

test("a name is brought into form while it is typed", () => {
  expect(asServerName("My Git_Hub.2!")).toBe("my-git-hub-2");
});

test("a server is told in one line", () => {
  expect(summaryOf(process.transport)).toBe("mcp-files --root /home/user");
  expect(summaryOf(remote.transport)).toBe("https://issues.example/mcp");
  expect(summaryOf({ type: "stdio", command: "sh", args: ["-c", "a\n  b"] })).toBe("sh -c a b");
  expect(summaryOf({ type: "stdio", command: "sh", args: ["-c", "x".repeat(60_000)] })).toHaveLength(301);
});
