import { expect, test } from "vitest";
import { type Playback, press, pressOf } from "./playback";

const at = (index: number, playing = false): Playback => ({ index, playing });

test("a press never leads beyond the first or the last step", () => {
  expect(press(at(0), "previous", 3)).toEqual(at(0));
  expect(press(at(2), "next", 3)).toEqual(at(2));
  expect(press(at(0), { to: 99 }, 3)).toEqual(at(2));
  expect(press(at(0), "last", 0)).toEqual(at(0));
});

test("whoever moves by hand stops the playing", () => {
  expect(press(at(0, true), "next", 3)).toEqual(at(1));
  expect(press(at(1, true), { to: 0 }, 3)).toEqual(at(0));
});

test("playing ends at the last step, and begins anew from there", () => {
  expect(press(at(0, true), "tick", 3)).toEqual(at(1, true));
  expect(press(at(1, true), "tick", 3)).toEqual(at(2));
  expect(press(at(2), "toggle", 3)).toEqual(at(0, true));
  expect(press(at(1, true), "toggle", 3)).toEqual(at(1));
});

test("a record of one step has nothing to play", () => {
  expect(press(at(0), "toggle", 1)).toEqual(at(0));
});

test("the keys mean the same everywhere but where a control has them for itself", () => {
  expect(["ArrowLeft", "ArrowRight", " ", "x"].map((key) => pressOf(key, "BODY"))).toEqual([
    "previous",
    "next",
    "toggle",
    undefined,
  ]);
  expect(pressOf(" ", "BUTTON")).toBeUndefined();
  expect(pressOf("ArrowLeft", "INPUT")).toBeUndefined();
  expect(pressOf("ArrowLeft", "BUTTON")).toBe("previous");
  expect(pressOf(" ", "INPUT")).toBe("toggle");
});
