import { expect, test } from "vitest";
import { beginningOf, readInput } from "./try-input";

test("an input is a JSON object, and nothing is an empty one", () => {
  expect(readInput('{"path": "notes.txt"}')).toEqual({ input: { path: "notes.txt" } });
  expect(readInput("  ")).toEqual({ input: {} });
});

test.each(["[1]", "7", "null", '"a"'])("%s is no object", (text) => {
  expect(readInput(text)).toEqual({ error: expect.stringContaining("JSON object") });
});

test("what cannot be read is said to be no JSON", () => {
  expect(readInput("{path: 1}")).toEqual({ error: expect.stringContaining("not JSON") });
});

test("the beginning holds what must be given, each of its kind", () => {
  const properties = {
    path: { type: "string" },
    depth: { type: "integer" },
    deep: { type: "boolean" },
    tags: { type: ["array", "null"] },
    at: { type: "object" },
    mode: { enum: ["r", "w"] },
    size: { type: "number", default: 3 },
    odd: 7,
    optional: { type: "string" },
  };
  const required = ["path", "depth", "deep", "tags", "at", "mode", "size", "odd", "unknown", 7];

  expect(JSON.parse(beginningOf({ type: "object", properties, required }))).toEqual({
    path: "",
    depth: 0,
    deep: false,
    tags: [],
    at: {},
    mode: "r",
    size: 3,
    odd: null,
  });
});

test.each([null, 7, [], {}, { properties: 1 }, { properties: {}, required: "path" }])(
  "of the schema %j an input begins empty",
  (schema) => {
    expect(beginningOf(schema)).toBe("{}");
  },
);
