import { expect, test } from "vitest";
import type { Event, SessionState } from "../api/types";
import { timeline, waitingApproval } from "./timeline";

const message = (seq: number, content: unknown[], stop_reason = "tool_use", model = "claude"): Event => ({
  seq,
  at: seq,
  type: "assistant_message",
  message_id: `msg-${seq}`,
  content,
  stop_reason,
  model,
});
const result = (seq: number, tool_use_id: string, is_error: boolean): Event => ({
  seq,
  at: seq,
  type: "tool_result",
  tool_use_id,
  is_error,
  content: [{ type: "text", text: "as it is" }],
});
const use = (id: string) => ({ type: "tool_use", id, name: "left_click", input: { coordinate: [1, 2] } });
const read = (events: Event[], session: SessionState = "running", running: string[] = []) =>
  timeline({ events, running, session });
const statuses = (entries: ReturnType<typeof timeline>) =>
  entries
    .flatMap((e) => (e.kind === "agent" ? e.parts : []))
    .flatMap((p) => (p.kind === "tool" ? [p.use.status] : []));

test("each tool use stands with its result", () => {
  const entries = read([message(1, [use("a"), use("b")]), result(2, "a", false), result(3, "b", true)]);

  expect(entries).toHaveLength(1);
  expect(statuses(entries)).toEqual(["done", "error"]);
});

test("a use without a result runs, waits, or was never finished", () => {
  const events = [message(1, [use("a"), use("b")])];

  expect(statuses(read(events, "running", ["a"]))).toEqual(["running", "waiting"]);
  expect(statuses(read(events, "cancelled"))).toEqual(["unknown", "unknown"]);
});

test("blocks of kinds that nobody knows are left out, not tripped over", () => {
  const entries = read([
    message(1, [null, 7, { type: "hologram" }, { type: "text", text: "hi" }, { type: "tool_use" }]),
  ]);

  expect(entries[0]).toMatchObject({ kind: "agent", parts: [{ kind: "text", text: "hi" }] });
});

test("a block that came broken, or in another provider's form, is read for what it holds", () => {
  const entries = read([
    message(1, [
      { type: "compaction", item: { type: "compaction", encrypted_content: "x" } },
      { type: "thinking", thinking: "", item: { type: "reasoning", summary: [] } },
      { type: "text", text: "I look.", item: { type: "message" } },
      { type: "tool_use", id: "a", name: "bash", input: {}, fault: "the arguments are not a JSON object" },
      { type: "tool_use", id: "b", name: "drag", input: null, fault: { not: "text" }, safety_checks: 7 },
    ]),
    result(2, "a", true),
  ]);

  expect(entries).toMatchObject([
    {
      parts: [
        { kind: "text", text: "I look." },
        { kind: "tool", use: { id: "a", status: "error" } },
        { kind: "tool", use: { id: "b", input: {}, status: "waiting" } },
      ],
    },
  ]);
});

test("the end of a turn is told when it is not an ordinary one", () => {
  const failed: Event = { seq: 2, at: 2, type: "state_changed", state: "failed", reason: "no credit" };
  const idle: Event = { seq: 3, at: 3, type: "state_changed", state: "idle" };

  const entries = read([message(1, [{ type: "text", text: "long" }], "max_tokens"), failed, idle], "idle");

  expect(entries).toMatchObject([
    { kind: "agent", stopped: expect.stringContaining("longest") },
    { kind: "notice", tone: "bad", text: "no credit" },
  ]);
});

test("what the console answers is not taken for a model's words", () => {
  expect(read([message(1, [{ type: "text", text: "hi" }], "end_turn", "console")])[0]).toMatchObject({
    console: true,
  });
});

const asked = (seq: number, tool_use_id: string): Event => ({
  seq,
  at: seq,
  type: "approval_asked",
  tool_use_id,
  tool: "left_click",
  shown: "{}",
  timeout_s: 60,
});
const answered = (seq: number, approval: number, verdict: "approved" | "denied"): Event => ({
  seq,
  at: seq,
  type: "approval_answered",
  approval,
  verdict,
  user_id: "usr-1",
});
const outcomes = (entries: ReturnType<typeof timeline>) =>
  entries.flatMap((e) => (e.kind === "approval" ? [e.outcome.kind] : []));

test("an approval waits until it is answered, and knows what it is for", () => {
  const before = [message(1, [use("a")]), asked(2, "a")];

  const waiting = read(before, "waiting_approval");
  const over = read([...before, answered(3, 2, "denied")]);

  expect(waitingApproval(waiting)).toMatchObject({ use: { input: { coordinate: [1, 2] } } });
  expect(over.at(-1)).toMatchObject({ outcome: { kind: "answered", verdict: "denied", userId: "usr-1" } });
  expect(waitingApproval(over)).toBeUndefined();
});

test("the first word on an approval counts", () => {
  const entries = read([asked(1, "a"), answered(2, 1, "denied"), answered(3, 1, "approved")]);

  expect(entries).toMatchObject([{ outcome: { verdict: "denied" } }]);
});

test("an approval whose action has its result is over without a word", () => {
  const entries = read([message(1, [use("a")]), asked(2, "a"), result(3, "a", true)]);

  expect(entries.at(-1)).toMatchObject({ outcome: { kind: "over", why: "as it is" } });
});

test("nothing waits for a word in a session that has nothing to do", () => {
  expect(outcomes(read([asked(1, "a")], "paused"))).toEqual(["waiting"]);
  expect(outcomes(read([asked(1, "a")], "cancelled"))).toEqual(["over"]);
});

test("a hand-back is told with its note and its picture", () => {
  const picture = { sha256: "00", media_type: "image/png", size: { width: 4, height: 3 } };
  const back: Event = { seq: 1, at: 1, type: "handed_back", user_id: "usr-1", note: "done", picture };

  expect(read([back])).toEqual([
    { kind: "handed_back", key: "1", at: 1, userId: "usr-1", note: "done", picture },
  ]);
});
