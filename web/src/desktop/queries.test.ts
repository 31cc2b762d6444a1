import { expect, test } from "vitest";
import type { Desktop, DesktopState } from "../api/types";
import { withDesktop } from "./queries";

const desktop = (id: string, state: DesktopState, state_since: number, generation = 1): Desktop => ({
  id,
  name: id,
  state,
  size: { width: 1280, height: 800 },
  generation,
  created_at: 0,
  state_since,
});

test("a desktop that is new is added, a known one is replaced in its place", () => {
  const list = withDesktop([desktop("a", "ready", 1), desktop("b", "ready", 1)], desktop("a", "stopping", 2));

  expect(list.map((d) => d.state)).toEqual(["stopping", "ready"]);
  expect(withDesktop(list, desktop("c", "requested", 3))).toHaveLength(3);
});

test("an answer that was overtaken does not turn time back", () => {
  const list = [desktop("a", "ready", 5, 2)];

  expect(withDesktop(list, desktop("a", "booting", 4, 2))).toBe(list);
  expect(withDesktop(list, desktop("a", "stopped", 9, 1))).toBe(list);
});

test("a deleted desktop is gone", () => {
  expect(withDesktop([desktop("a", "deleting", 1)], desktop("a", "deleted", 2))).toEqual([]);
});
