// The newest lines of a server's log.
import type { McpLogLine } from "../api/types";

export const MOST_LINES = 500;

export interface Line extends McpLogLine {
  // Counts all that came, also those that are not kept any more.
  number: number;
}

// One event of the stream; `undefined` for what is no line.
export function readLine(data: string): McpLogLine | undefined {
  try {
    const { at, text } = JSON.parse(data) as Partial<McpLogLine>;
    return typeof at === "number" && typeof text === "string" ? { at, text: plain(text) } : undefined;
  } catch {
    return undefined;
  }
}

export function withLine(lines: Line[], line: McpLogLine): Line[] {
  const number = (lines.at(-1)?.number ?? 0) + 1;
  return [...lines.slice(1 - MOST_LINES), { ...line, number }];
}

// Colours and movements of a terminal say nothing here.
// eslint-disable-next-line no-control-regex -- those are what is looked for
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;

function plain(text: string): string {
  return text.replaceAll(ESCAPES, "");
}
