// The input of a tool that a person tries: a beginning made from its schema, and what was typed of it.

export type Input = Record<string, unknown>;

export function readInput(text: string): { input: Input } | { error: string } {
  if (text.trim() === "") return { input: {} };
  try {
    const input: unknown = JSON.parse(text);
    if (isObject(input)) return { input };
    return { error: 'Write a JSON object, such as {"path": "notes.txt"}.' };
  } catch (error) {
    return { error: `This is not JSON: ${error instanceof Error ? error.message : "it cannot be read"}` };
  }
}

// What must be given, empty. The schema is the server's own, and may be anything.
export function beginningOf(schema: unknown): string {
  if (!isObject(schema) || !isObject(schema.properties)) return "{}";
  const { properties } = schema;
  const names = Array.isArray(schema.required) ? schema.required : [];
  const entries = names
    .filter((name): name is string => typeof name === "string" && Object.hasOwn(properties, name))
    .map((name): [string, unknown] => [name, emptyOf(properties[name])]);
  return JSON.stringify(Object.fromEntries(entries), null, 2);
}

const EMPTY = new Map<unknown, unknown>([
  ["string", ""],
  ["number", 0],
  ["integer", 0],
  ["boolean", false],
  ["array", []],
  ["object", {}],
]);

function emptyOf(schema: unknown): unknown {
  if (!isObject(schema)) return null;
  if ("default" in schema) return schema.default;
  if ("const" in schema) return schema.const;
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return schema.enum[0];
  const type: unknown = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  return EMPTY.has(type) ? EMPTY.get(type) : null;
}

function isObject(value: unknown): value is Input {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
