// What a tool use does, in a few words: "Click at 300, 200".
import { inWords, serversTool } from "../mcp/names";

export interface Description {
  // The action, as the record names it: also for a tool that packs its actions into one name.
  tool: string;
  title: string;
  // A command, a text, a path: shown as it is, in a fixed width.
  code?: string;
}

type Values = Record<string, unknown>;

export function describe(name: string, input: Values): Description {
  const tool = name === "computer" && typeof input.action === "string" ? input.action : name;
  // Names come from a model: `constructor` is none of ours.
  const words = Object.hasOwn(WORDS, tool) ? WORDS[tool] : undefined;
  return { tool, ...(words ? words(input) : other(tool, input)) };
}

type Words = (input: Values) => Omit<Description, "tool">;

const WORDS: Record<string, Words> = {
  screenshot: () => ({ title: "Look at the screen" }),
  zoom: (i) => ({ title: `Look closely at ${region(i.region)}` }),
  left_click: (i) => ({ title: `Click${at(i)}${held(i)}` }),
  right_click: (i) => ({ title: `Right-click${at(i)}${held(i)}` }),
  middle_click: (i) => ({ title: `Middle-click${at(i)}${held(i)}` }),
  double_click: (i) => ({ title: `Double-click${at(i)}${held(i)}` }),
  triple_click: (i) => ({ title: `Triple-click${at(i)}${held(i)}` }),
  back_click: (i) => ({ title: `Press the mouse's back button${at(i)}${held(i)}` }),
  forward_click: (i) => ({ title: `Press the mouse's forward button${at(i)}${held(i)}` }),
  click: (i) => ({ title: `${nativeClick(i)}${at(i)}${held(i)}` }),
  left_click_drag: (i) => ({ title: `Drag${from(i.start_coordinate)}${to(i.coordinate)}` }),
  drag: (i) => {
    const path = Array.isArray(i.path) ? i.path : [];
    return { title: `Drag${from(path[0])}${to(path.at(-1))}${held(i)}` };
  },
  mouse_move: (i) => ({ title: `Move the pointer${to(i.coordinate ?? i.to)}` }),
  left_mouse_down: () => ({ title: "Press the mouse button" }),
  left_mouse_up: () => ({ title: "Release the mouse button" }),
  mouse_down: (i) => ({ title: `Press the ${text(i.button) || "left"} mouse button` }),
  mouse_up: (i) => ({ title: `Release the ${text(i.button) || "left"} mouse button` }),
  scroll: (i) => ({ title: `Scroll ${text(i.scroll_direction ?? i.direction)}${amount(i)}${at(i)}` }),
  key: (i) => ({ title: `Press ${text(i.text ?? i.keys)}${times(i.repeat)}` }),
  hold_key: (i) => ({ title: `Hold ${text(i.text ?? i.keys)}${seconds(i)}` }),
  type: (i) => typed(text(i.text)),
  wait: (i) => ({ title: `Wait${seconds(i)}` }),
  cursor_position: () => ({ title: "Ask where the pointer is" }),
  open: (i) => ({ title: `Open ${text(i.url ?? i.target)}` }),
  bash: (i) =>
    i.restart === true ? { title: "Restart the shell" } : { title: "Run a command", code: text(i.command) },
  shell: (i) => ({ title: "Run a command", code: text(i.command) }),
  str_replace_based_edit_tool: (i) => edit(i),
};

function edit(input: Values): Omit<Description, "tool"> {
  const path = text(input.path);
  switch (input.command) {
    case "view":
      return { title: `Read ${path}` };
    case "create":
      return { title: `Write ${path}`, code: text(input.file_text) };
    case "str_replace":
      return { title: `Change ${path}`, code: minus(text(input.old_str)) + plus(text(input.new_str)) };
    case "insert":
      return { title: `Add to ${path}`, code: plus(text(input.insert_text ?? input.new_str)) };
    default:
      return { title: `Edit ${path}` };
  }
}

function other(tool: string, input: Values): Omit<Description, "tool"> {
  const whose = serversTool(tool);
  const title = whose ? inWords(whose) : `Use ${tool.replaceAll("_", " ")}`;
  return Object.keys(input).length === 0 ? { title } : { title, code: JSON.stringify(input, null, 2) };
}

const SHORT = 60;

function typed(value: string): Omit<Description, "tool"> {
  const short = value.length <= SHORT && !value.includes("\n");
  return short ? { title: `Type “${value}”` } : { title: "Type a text", code: value };
}

function nativeClick(input: Values): string {
  const count = input.count === 2 ? "Double-click" : input.count === 3 ? "Triple-click" : "Click";
  const button = text(input.button);
  if (!button || button === "left") return count;
  return `${count} with the ${button} button`;
}

// A point comes as `[x, y]` from a model and as `{x, y}` from a program.
function point(value: unknown): string {
  if (Array.isArray(value) && value.length >= 2) return `${number(value[0])}, ${number(value[1])}`;
  if (typeof value === "object" && value !== null && "x" in value && "y" in value) {
    return `${number(value.x)}, ${number(value.y)}`;
  }
  return "";
}

function at(input: Values): string {
  const where = point(input.coordinate ?? input.at);
  return where && ` at ${where}`;
}

function from(value: unknown): string {
  const where = point(value);
  return where && ` from ${where}`;
}

function to(value: unknown): string {
  const where = point(value);
  return where && ` to ${where}`;
}

function held(input: Values): string {
  const keys = text(input.text ?? input.key ?? input.modifiers);
  return keys && ` with ${keys}`;
}

function region(value: unknown): string {
  if (Array.isArray(value) && value.length === 4) {
    return `${point(value)} to ${point(value.slice(2))}`;
  }
  if (typeof value === "object" && value !== null && "width" in value && "height" in value) {
    return `${number(value.width)} × ${number(value.height)} pixels from ${point(value)}`;
  }
  return "a part of the screen";
}

function amount(input: Values): string {
  const notches = number(input.scroll_amount ?? input.notches);
  return notches && ` by ${notches}`;
}

function times(value: unknown): string {
  return typeof value === "number" && value > 1 ? ` ${value} times` : "";
}

function seconds(input: Values): string {
  if (typeof input.duration === "number") return ` for ${input.duration} s`;
  if (typeof input.duration_ms === "number") return ` for ${input.duration_ms / 1000} s`;
  return "";
}

function number(value: unknown): string {
  return typeof value === "number" ? String(Math.round(value)) : "";
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function minus(value: string): string {
  return lines(value, "- ");
}

function plus(value: string): string {
  return lines(value, "+ ");
}

function lines(value: string, mark: string): string {
  return value === "" ? "" : value.replace(/\n$/, "").replace(/^/gm, mark) + "\n";
}
