import { expect, test } from "vitest";
import type { Event, EventBody, Picture } from "../../api/types";
import { steps, upcoming } from "./steps";

const record = (...bodies: EventBody[]): Event[] =>
  bodies.map((body, index) => ({ ...body, seq: index + 1, at: 1_000 * (index + 1) }));
const picture = (sha256: string): Picture => ({
  sha256,
  media_type: "image/png",
  size: { width: 1280, height: 800 },
});
const asked = (text: string): EventBody => ({ type: "user_message", message_id: "m", user_id: "u", text });
const answer = (content: unknown[], model = "claude"): EventBody => ({
  type: "assistant_message",
  message_id: "m",
  content,
  stop_reason: "tool_use",
  model,
});
const text = (said: string) => ({ type: "text", text: said });
const use = (id: string, name = "left_click", input: unknown = { coordinate: [3, 4] }) => ({
  type: "tool_use",
  id,
  name,
  input,
});
const result = (tool_use_id: string, sha256?: string, is_error = false): EventBody => ({
  type: "tool_result",
  tool_use_id,
  is_error,
  content: [{ type: "text", text: "done" }],
  trace: { took_ms: 1, ...(sha256 && { picture: picture(sha256), mark: { x: 3, y: 4 } }) },
});

test("a step is an action with its picture, its mark, and what was said before it", () => {
  const [step, ...others] = steps(
    record(
      asked("go"),
      answer([{ type: "thinking", thinking: "hm" }, text("I click"), use("a")]),
      result("a", "p1"),
    ),
  );

  expect(others).toEqual([]);
  expect(step).toMatchObject({
    seq: 3,
    at: 3_000,
    said: [
      { from: "you", text: "go" },
      { from: "thought", text: "hm" },
      { from: "agent", text: "I click" },
    ],
    action: { title: "Click at 3, 4", failed: false, output: "done" },
    picture: { sha256: "p1" },
    fresh: true,
    mark: { x: 3, y: 4 },
  });
});

test("in a message of several actions each has the words that stand before it", () => {
  const made = steps(
    record(answer([text("one"), use("a"), text("two"), use("b")]), result("a", "p1"), result("b", "p2")),
  );

  expect(made.map((step) => step.said.map((said) => said.text))).toEqual([["one"], ["two"]]);
});

test("an action without a picture keeps the last one in sight, without a mark", () => {
  const made = steps(
    record(answer([use("a"), use("b", "bash", { command: "ls" })]), result("a", "p1"), result("b")),
  );

  expect(made[1]).toMatchObject({ picture: { sha256: "p1" }, fresh: false, mark: undefined });
  expect(made[1]?.action).toMatchObject({ title: "Run a command", code: "ls" });
});

test("a picture that the model looked at is shown when the action left no other", () => {
  const zoomed: EventBody = {
    type: "tool_result",
    tool_use_id: "a",
    is_error: false,
    content: [{ type: "image", picture: picture("z") }],
  };

  expect(steps(record(answer([use("a", "zoom")]), zoomed))[0]).toMatchObject({
    picture: { sha256: "z" },
    mark: undefined,
  });
});

test("what is said at the end is a step of its own, on the last picture", () => {
  const made = steps(record(answer([use("a")]), result("a", "p1"), answer([text("ready")])));

  expect(made).toHaveLength(2);
  expect(made[1]).toMatchObject({ action: undefined, said: [{ text: "ready" }], picture: { sha256: "p1" } });
});

test("what was said of an action that has no result yet is not lost", () => {
  const made = steps(record(asked("go"), answer([text("I click"), use("a")])));

  expect(made).toMatchObject([{ action: undefined, said: [{ text: "go" }, { text: "I click" }] }]);
});

test("a hand-back is a step with its note and its picture", () => {
  const back: EventBody = { type: "handed_back", user_id: "u", note: "I signed in", picture: picture("h") };

  expect(steps(record(back))).toMatchObject([
    { said: [{ from: "you", text: "I signed in" }], picture: { sha256: "h" }, fresh: true },
  ]);
});

test("people's words on approvals and the ends of turns are told", () => {
  const made = steps(
    record(
      answer([use("a")]),
      { type: "approval_answered", approval: 1, verdict: "denied", user_id: "u" },
      result("a", undefined, true),
      { type: "state_changed", state: "running" },
      { type: "state_changed", state: "failed", reason: "no credit" },
    ),
  );

  expect(made[0]).toMatchObject({ said: [{ text: "A person denied." }], action: { failed: true } });
  expect(made[1]?.said).toEqual([{ from: "notice", text: "no credit" }]);
});

test("a result whose message is missing is still a step, and an empty record has none", () => {
  expect(steps(record(result("lost", "p")))).toHaveLength(1);
  expect(steps([])).toEqual([]);
});

test("a server's tool, a broken use and a block that nobody knows are played back", () => {
  const made = steps(
    record(
      answer([
        { type: "compaction", item: {} },
        use("a", "mcp__files__read", { path: "notes" }),
        { ...use("b", "bash", {}), fault: "the arguments are not a JSON object" },
      ]),
      result("a"),
      result("b", undefined, true),
    ),
  );

  expect(made).toMatchObject([
    { said: [], action: { title: "read · files", code: '{\n  "path": "notes"\n}', output: "done" } },
    { said: [], action: { title: "Run a command", failed: true, output: "done" } },
  ]);
});

test("the next pictures are those that are not shown yet, each once", () => {
  const made = steps(
    record(
      answer(["a", "b", "c", "d", "e"].map((id) => use(id))),
      result("a", "p1"),
      result("b", "p2"),
      result("c"),
      result("d", "p2"),
      result("e", "p3"),
    ),
  );

  expect(upcoming(made, 0, 2)).toEqual(["p2", "p3"]);
  expect(upcoming(made, 4, 2)).toEqual([]);
});
