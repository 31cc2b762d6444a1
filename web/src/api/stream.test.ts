import { expect, test } from "vitest";
import { EventParser } from "./stream";

const parse = (...parts: string[]): string[] => {
  const all: string[] = [];
  const parser = new EventParser((data) => all.push(data));
  parts.forEach((part) => parser.push(part));
  return all;
};

test("events are cut where they end, wherever the network cuts", () => {
  const text = 'id: 1\ndata: {"a":1}\n\n: still here\n\ndata: x\ndata: y\r\n\r\n';

  const whole = parse(text);

  expect(whole).toEqual(['{"a":1}', "x\ny"]);
  expect(parse(...text)).toEqual(whole);
});

test("what has not ended is not an event yet", () => {
  expect(parse("data: half")).toEqual([]);
});

test("an event without an end is refused before it fills the memory", () => {
  expect(() => parse("data: " + "x".repeat(9_000_000))).toThrow(/too long/);
});
