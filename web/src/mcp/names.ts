// What the tools of MCP servers are called, for a model and for people.

// As the agent's half of the desktop makes the name: a server's name holds no `_`, so there is one way to read it.
const CALLED = /^mcp__([a-z0-9-]+)__(.+)$/s;
const PLAIN = /^[A-Za-z0-9_-]+$/;
// The longest that every model's provider takes.
const LONGEST = 64;

export interface ServersTool {
  server: string;
  tool: string;
}

// Whose tool is it, and which? `undefined` for all that belong to no MCP server.
export function serversTool(called: string): ServersTool | undefined {
  const [, server, tool] = CALLED.exec(called) ?? [];
  return server && tool ? { server, tool } : undefined;
}

export function isServersTool(called: string): boolean {
  return called.startsWith("mcp__");
}

export function inWords({ server, tool }: ServersTool): string {
  return `${tool} · ${server}`;
}

// What a model and a session's rules call a tool; `undefined` where the desktop makes up another name, because this
// one would be too long, or that of two tools.
export function calledBy(server: string, tool: string, all: string[]): string | undefined {
  const plain = plainOf(tool);
  const called = `mcp__${server}__${plain}`;
  const alike = all.filter((other) => plainOf(other) === plain).length;
  return called.length <= LONGEST && alike <= 1 ? called : undefined;
}

function plainOf(tool: string): string {
  // By code point, as the desktop counts.
  return Array.from(tool, (c) => (PLAIN.test(c) ? c : "_")).join("");
}
