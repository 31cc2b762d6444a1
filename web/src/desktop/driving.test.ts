import { expect, test } from "vitest";
import type { ControlStatus } from "../api/types";
import { driving, mayUseDesktop, waitsForControl } from "./driving";

const held = (user_id: string): ControlStatus => ({ driver: "person", holder: { user_id, since: 1 } });

test("a holder is you or somebody else", () => {
  expect(driving(held("usr-1"), "usr-1")).toBe("you");
  expect(driving(held("usr-2"), "usr-1")).toBe("other");
  expect(driving(held("usr-1"), undefined)).toBe("other");
});

test("the agent and an idle desktop are told apart", () => {
  expect(driving({ driver: "agent" }, "usr-1")).toBe("agent");
  expect(driving({ driver: "nobody" }, "usr-1")).toBe("nobody");
});

test("only an idle desktop and one that you drive take your mouse and keyboard", () => {
  const taken = (["nobody", "you", "agent", "other"] as const).filter(mayUseDesktop);

  expect(taken).toEqual(["nobody", "you"]);
});

test("who has asked waits until they hold control", () => {
  expect(waitsForControl({ driver: "agent", requested_by: "usr-1" }, "usr-1")).toBe(true);
  expect(waitsForControl({ driver: "agent", requested_by: "usr-2" }, "usr-1")).toBe(false);
  expect(waitsForControl({ driver: "agent" }, undefined)).toBe(false);
  expect(waitsForControl({ ...held("usr-1"), requested_by: "usr-1" }, "usr-1")).toBe(false);
});
