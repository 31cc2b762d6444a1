// What a form takes line by line: arguments, variables, headers; and how such lines are written from what is stored.

export type Read<T> = { value: T } | { error: string };

// A text that one line cannot hold as it is stands there as JSON writes it.
const QUOTED = /^"/;

export function readArguments(text: string): Read<string[]> {
  return each(text, (line, at) => unquoted(line, at));
}

export function writeArguments(args: string[]): string {
  return args.map((arg) => (arg === "" ? '""' : quotedIfNeeded(arg))).join("\n");
}

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

export function readVariables(text: string): Read<Record<string, string>> {
  return named(text, (line, at) => {
    const [name, rest] = halves(line, "=");
    if (rest === undefined) return { error: `Line ${at}: write NAME=value.` };
    if (!VARIABLE.test(name)) {
      return { error: `Line ${at}: a name is of letters, digits and _, and begins with no digit.` };
    }
    const value = unquoted(rest, at);
    return "error" in value ? value : { value: [name, value.value] };
  });
}

export function writeVariables(variables: Record<string, string>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${quotedIfNeeded(value)}`)
    .join("\n");
}

// A token of RFC 9110.
const HEADER = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const HEADER_VALUE = /^[ -~]*$/;

export function readHeaders(text: string, mask: string): Read<Record<string, string>> {
  const read = named(text, (line, at) => {
    const [name, value] = halves(line, ":");
    if (value === undefined) return { error: `Line ${at}: write Name: value.` };
    if (!HEADER.test(name)) {
      return { error: `Line ${at}: a header's name is of letters, digits and hyphens, without spaces.` };
    }
    if (value !== mask && !HEADER_VALUE.test(value)) {
      return { error: `Line ${at}: a header's value is of plain letters, digits and signs.` };
    }
    return { value: [name, value] };
  });
  if ("error" in read) return read;
  const twice = firstTwice(Object.keys(read.value).map((name) => name.toLowerCase()));
  return twice ? { error: `The header ${twice} is there twice, in other capitals.` } : read;
}

// No header holds a line break or begins with a space, so that none needs quotes.
export function writeHeaders(headers: Record<string, string>): string {
  return Object.entries(headers)
    .map(([name, value]) => (value === "" ? `${name}:` : `${name}: ${value}`))
    .join("\n");
}

function named(
  text: string,
  read: (line: string, at: number) => Read<[string, string]>,
): Read<Record<string, string>> {
  const all = each(text, read);
  if ("error" in all) return all;
  const twice = firstTwice(all.value.map(([name]) => name));
  if (twice) return { error: `${twice} is there twice.` };
  // Not by assignment: `__proto__` is a name like any other.
  return { value: Object.fromEntries(all.value) };
}

// Every line that holds something; the first that cannot be read ends it.
function each<T>(text: string, read: (line: string, at: number) => Read<T>): Read<T[]> {
  const values: T[] = [];
  for (const [index, line] of text.split(/\r\n|\n|\r/).entries()) {
    if (line.trim() === "") continue;
    const one = read(line.trim(), index + 1);
    if ("error" in one) return one;
    values.push(one.value);
  }
  return { value: values };
}

function halves(line: string, sign: string): [string, string | undefined] {
  const at = line.indexOf(sign);
  return at < 0 ? [line, undefined] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}

function unquoted(text: string, at: number): Read<string> {
  if (!QUOTED.test(text)) return { value: text };
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "string") return { value };
  } catch {
    // Said below.
  }
  return {
    error: `Line ${at}: what begins with a double quote ends with one, and has \\" and \\\\ for those inside.`,
  };
}

function quotedIfNeeded(text: string): string {
  return QUOTED.test(text) || /[\r\n]/.test(text) || text !== text.trim() ? JSON.stringify(text) : text;
}

function firstTwice(names: string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}
