// An MCP server as a form holds it, and back.
import { holdsSecret } from "../api/secrets";
import type { McpServer, McpServerConfig, McpTransport } from "../api/types";
import {
  readArguments,
  type Read,
  readHeaders,
  readVariables,
  writeArguments,
  writeHeaders,
  writeVariables,
} from "./lines";

// What stands for a value that is stored and not shown; sent back, it stays what it is.
export const MASK = "••••";

export type Way = McpTransport["type"];

export interface ServerForm {
  name: string;
  way: Way;
  command: string;
  args: string;
  env: string;
  url: string;
  headers: string;
  autostart: boolean;
}

export type Errors = Partial<Record<"name" | "command" | "args" | "env" | "url" | "headers", string>>;

export const EMPTY: ServerForm = {
  name: "",
  way: "stdio",
  command: "",
  args: "",
  env: "",
  url: "",
  headers: "",
  autostart: true,
};

export function toForm({ name, transport, autostart }: McpServer): ServerForm {
  // What cannot be read any more is written anew.
  if (!transport) return { ...EMPTY, name };
  const common = { ...EMPTY, name, way: transport.type, autostart };
  return transport.type === "stdio"
    ? {
        ...common,
        command: transport.command,
        args: writeArguments(transport.args ?? []),
        env: writeVariables(transport.env ?? {}),
      }
    : { ...common, url: transport.url, headers: writeHeaders(transport.headers ?? {}) };
}

// What belongs to the other way of reaching a server is kept in the form, and not sent.
export function fromForm(form: ServerForm): { config: McpServerConfig } | { errors: Errors } {
  const errors: Errors = {};
  const take = <T>(field: keyof Errors, read: Read<T>, otherwise: T): T => {
    if ("value" in read) return read.value;
    errors[field] = read.error;
    return otherwise;
  };
  if (!isServerName(form.name)) {
    errors.name = "1 to 32 of a-z, 0-9 and -, with a letter or digit at both ends.";
  }
  const transport: McpTransport =
    form.way === "stdio"
      ? {
          type: "stdio",
          command: take("command", given(form.command, "Enter a program's name or path."), ""),
          args: take("args", readArguments(form.args), []),
          env: take("env", readVariables(form.env), {}),
        }
      : {
          type: "http",
          url: take("url", address(form.url), ""),
          headers: take("headers", withoutSecrets(form, readHeaders(form.headers, MASK)), {}),
        };
  if (Object.keys(errors).length > 0) return { errors };
  return { config: { name: form.name, transport, autostart: form.autostart } };
}

// Does what is sent to this address cross the desktop as it is, for all that runs there to read?
export function isReadable(url: string): boolean {
  return /^\s*http:/i.test(url);
}

// As control takes it.
export function isServerName(name: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(name);
}

// What is typed as a name, as near as it can be to one.
export function asServerName(typed: string): string {
  return typed
    .toLowerCase()
    .replaceAll(/[\s_.]/g, "-")
    .replaceAll(/[^a-z0-9-]/g, "")
    .slice(0, 32);
}

const LONGEST_SUMMARY = 300;

// A server in one line: its command, or its address. An argument may be a whole script.
export function summaryOf(transport: McpTransport): string {
  const whole =
    transport.type === "stdio"
      ? [transport.command, ...(transport.args ?? [])].join(" ").replaceAll(/\s+/g, " ")
      : transport.url;
  return whole.length > LONGEST_SUMMARY ? `${whole.slice(0, LONGEST_SUMMARY)}…` : whole;
}

function withoutSecrets(
  { url }: ServerForm,
  headers: Read<Record<string, string>>,
): Read<Record<string, string>> {
  if ("error" in headers || !isReadable(url)) return headers;
  const name = Object.entries(headers.value).find(([, value]) => holdsSecret(value))?.[0];
  if (!name) return headers;
  return {
    error: `${name} holds a secret, and what is sent by http:// can be read on the desktop: use an https:// address, or give a value that may be read there.`,
  };
}

function given(text: string, missing: string): Read<string> {
  return text.trim() ? { value: text.trim() } : { error: missing };
}

function address(text: string): Read<string> {
  const url = text.trim();
  return /^https?:\/\/\S+$/i.test(url) && URL.canParse(url)
    ? { value: url }
    : { error: "Enter a whole URL, such as https://mcp.example.com/mcp." };
}
