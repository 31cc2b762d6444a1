import { expect, test } from "vitest";
import { ended, timeLeft, why } from "./approval";

test("every risk has its reason, and none is a reason too", () => {
  const reasons = (["shell", "file_write", "mcp", "secret", "submit", "safety_check", null] as const).map(
    why,
  );

  expect(new Set(reasons).size).toBe(7);
  expect(why("telepathy" as "shell")).toBe(why(undefined));
});

test("the time left runs from when it was asked, and never below nothing", () => {
  expect(timeLeft({ timeout_s: 60 }, 1_000, 21_000)).toBe(40_000);
  expect(timeLeft({ timeout_s: 60 }, 1_000, 999_000)).toBe(0);
});

test("an outcome names whose word it was", () => {
  const answered = { kind: "answered", userId: "usr-1", at: 1 } as const;

  expect(ended({ ...answered, verdict: "approved" }, "usr-1")).toBe("Approved by you");
  expect(ended({ ...answered, verdict: "denied" }, "usr-2")).toBe("Denied by somebody else");
  expect(ended({ kind: "over", why: "" }, "usr-1")).toMatch(/Nobody answered/);
});
