import { expect, test } from "vitest";
import {
  readArguments,
  readHeaders,
  readVariables,
  writeArguments,
  writeHeaders,
  writeVariables,
} from "./lines";

const MASK = "••••";
const headers = (text: string) => readHeaders(text, MASK);
const error = (read: object) => ("error" in read ? String(read.error) : undefined);

test("an argument is a line, and empty lines are none", () => {
  expect(readArguments("--root\n\n  /home/my files \r\n-v")).toEqual({
    value: ["--root", "/home/my files", "-v"],
  });
  expect(readArguments("")).toEqual({ value: [] });
});

test("a variable's value may hold every sign, also the one that separates", () => {
  expect(readVariables('A=1\n B = b=c \nEMPTY=\nTOKEN={{secret:TOKEN}}\nJSON={"a": 1}')).toEqual({
    value: { A: "1", B: "b=c", EMPTY: "", TOKEN: "{{secret:TOKEN}}", JSON: '{"a": 1}' },
  });
});

test("a header's value may hold colons", () => {
  expect(headers("Authorization: Bearer {{secret:TOKEN}}\nx-at:12:30\nx-empty:")).toEqual({
    value: { Authorization: "Bearer {{secret:TOKEN}}", "x-at": "12:30", "x-empty": "" },
  });
});

test("double quotes hold what one line cannot", () => {
  expect(readArguments('"one\\ntwo"\n""\n" x "')).toEqual({ value: ["one\ntwo", "", " x "] });
  expect(readVariables('KEY="a\\nb"')).toEqual({ value: { KEY: "a\nb" } });
});

test.each([
  [[]],
  [["-c", "echo 1\necho 2", "", " ", '"', '"x"', "\\n", "a\rb", "ü\u00a0", "\t", "\u2028", "--a=b: c"]],
])("arguments come back as they were: %j", (args) => {
  expect(readArguments(writeArguments(args))).toEqual({ value: args });
});

test.each([
  [{}],
  [{ A: "", B: " b ", C: "c\nd", D: '"', E: "=", F: "••••", _g: "{{secret:G}}", H: "\\", I: '"x"', J: "#" }],
])("variables come back as they were: %j", (variables) => {
  expect(readVariables(writeVariables(variables))).toEqual({ value: variables });
});

test.each([[{}], [{ authorization: MASK, "x-a": "", "X-B": '"b: c"', "x_c.1": "{{secret:C}}" }]])(
  "headers come back as they were: %j",
  (all) => {
    expect(headers(writeHeaders(all))).toEqual({ value: all });
  },
);

test("a name that every object has is a name like any other", () => {
  const read = readVariables("__proto__=1\nconstructor=2");

  expect("value" in read && Object.entries(read.value)).toEqual([
    ["__proto__", "1"],
    ["constructor", "2"],
  ]);
});

test.each([
  ["A=1\nB", /Line 2: write NAME=value/],
  ["export A=1", /Line 1: a name/],
  ["2A=1", /Line 1: a name/],
  ["=1", /Line 1: a name/],
  ["A-B=1", /Line 1: a name/],
  ["A=1\n\nA=2", /A is there twice/],
  ['A="x', /Line 1: what begins with a double quote/],
  ['A="x" y', /Line 1: what begins with a double quote/],
])("variables %j are refused", (text, why) => {
  expect(error(readVariables(text))).toMatch(why);
});

test.each([
  ["authorization Bearer", /Line 1: write Name: value/],
  ["a b: c", /Line 1: a header's name/],
  [": c", /Line 1: a header's name/],
  ["x-a: ü", /Line 1: a header's value/],
  ["x-a: a\tb", /Line 1: a header's value/],
  ["X-A: 1\nx-a: 2", /x-a is there twice/],
])("headers %j are refused", (text, why) => {
  expect(error(headers(text))).toMatch(why);
});

test("an argument whose quotes do not close is refused", () => {
  expect(error(readArguments('-c\n"echo 1'))).toMatch(/^Line 2/);
});
