import { expect, test } from "vitest";
import { type Line, MOST_LINES, readLine, withLine } from "./log-lines";

test("a line is read from its event", () => {
  expect(readLine('{"at":1,"text":"listening"}')).toEqual({ at: 1, text: "listening" });
});

test.each(["", "{", "null", "7", "[]", '{"at":"1","text":"a"}', '{"at":1}'])("%j is no line", (data) => {
  expect(readLine(data)).toBeUndefined();
});

test("what is meant for a terminal is left out", () => {
  const text = "\u001b[1;31mred\u001b[0m \u001b]0;title\u0007plain\u001b[2K";

  expect(readLine(JSON.stringify({ at: 1, text }))?.text).toBe("red plain");
});

test("the newest lines are kept, each under a number of its own", () => {
  let lines: Line[] = [];
  for (let at = 1; at <= MOST_LINES + 20; at += 1) lines = withLine(lines, { at, text: "" });

  expect(lines).toHaveLength(MOST_LINES);
  expect([lines[0]?.at, lines.at(-1)?.at]).toEqual([21, MOST_LINES + 20]);
  expect(new Set(lines.map(({ number }) => number)).size).toBe(MOST_LINES);
});
