import { describe, expect, test } from "vitest";
import type { ChatDown, Event, EventBody } from "../api/types";
import { type ChatInput, type ChatState, EMPTY, isGap, reduce, unsent } from "./state";

const after = (...inputs: ChatInput[]): ChatState => inputs.reduce(reduce, EMPTY);
const down = (frame: ChatDown): ChatInput => ({ type: "down", frame });
const event = (seq: number, body: EventBody): ChatInput => ({ type: "event", event: at(seq, body) });
const at = (seq: number, body: EventBody): Event => ({ seq, at: 1_000 + seq, ...body });
const delta = (offset: number, text: string, message_id = "msg-1"): ChatInput =>
  down({ type: "delta", message_id, block: 0, offset, kind: "text", text });
const said = (text: string): EventBody => ({
  type: "user_message",
  message_id: "msg-u",
  user_id: "usr-1",
  text,
});
const answered = (message_id: string): EventBody => ({
  type: "assistant_message",
  message_id,
  content: [{ type: "text", text: "whole" }],
  stop_reason: "end_turn",
  model: "claude",
});
const hello = (state: ChatState["session"], last_seq: number): ChatInput =>
  down({ type: "hello", session_id: "ses-1", state, last_seq, model: "claude" });
const typed = (clientId: string, text: string): ChatInput => ({ type: "typed", clientId, text, at: 5 });
const problem = { status: 409, code: "conflict", title: "No", detail: "Not now." };

describe("what streams", () => {
  const textOf = (state: ChatState) => state.drafts[0]?.blocks[0]?.text;

  test("deltas in order make up the text", () => {
    expect(textOf(after(delta(0, "Hel"), delta(3, "lo")))).toBe("Hello");
  });

  test("a repeated delta adds nothing", () => {
    const once = after(delta(0, "Hel"), delta(3, "lo"));

    expect(reduce(once, delta(3, "lo")).drafts).toBe(once.drafts);
    expect(textOf(reduce(once, delta(0, "Hel")))).toBe("Hello");
  });

  test("a delta that overlaps adds only its rest", () => {
    expect(textOf(after(delta(0, "Hel"), delta(0, "Hello, you")))).toBe("Hello, you");
  });

  test("offsets count characters, not UTF-16 units", () => {
    expect(textOf(after(delta(0, "🎉你"), delta(2, "好"), delta(1, "你好!")))).toBe("🎉你好!");
  });

  test("a hole is shown, and what follows it is not lost", () => {
    expect(textOf(after(delta(0, "Hel"), delta(10, "rest"), delta(14, "!")))).toBe("Hel…rest!");
  });

  test("blocks stand in their order, however they come", () => {
    const block = (index: number, kind: "text" | "thinking"): ChatInput =>
      down({ type: "delta", message_id: "m", block: index, offset: 0, kind, text: kind });

    const state = after(block(1, "text"), block(0, "thinking"));

    expect(state.drafts[0]?.blocks.map((b) => b.kind)).toEqual(["thinking", "text"]);
  });

  test("a discarded message is gone, and may be written anew", () => {
    const state = after(delta(0, "wrong"), down({ type: "discarded", message_id: "msg-1" }));

    expect(state.drafts).toEqual([]);
    expect(textOf(reduce(state, delta(0, "right")))).toBe("right");
  });

  test("the stored message takes the place of its deltas", () => {
    const state = after(delta(0, "who"), delta(0, "other", "msg-2"), event(1, answered("msg-1")));

    expect(state.drafts.map((draft) => draft.messageId)).toEqual(["msg-2"]);
    expect(state.events).toHaveLength(1);
  });

  test("a new connection begins without what streamed over the last one", () => {
    const state = after(
      delta(0, "half"),
      down({ type: "tool_started", tool_use_id: "t" }),
      hello("running", 0),
    );

    expect([state.drafts, state.running]).toEqual([[], []]);
  });

  test("a turn that ended leaves nothing half written", () => {
    const state = after(delta(0, "half"), event(1, { type: "state_changed", state: "cancelled" }));

    expect(state.drafts).toEqual([]);
  });
});

describe("the record", () => {
  test("a repeated event is kept once", () => {
    const state = after(event(1, said("a")), event(2, said("b")), event(1, said("a")), event(2, said("b")));

    expect(state.events.map((e) => e.seq)).toEqual([1, 2]);
  });

  test("an event after a gap is not taken, so that the missing ones can still come", () => {
    const state = after(event(1, said("a")));
    const third = at(3, said("c"));

    expect(isGap(state, third)).toBe(true);
    expect(reduce(state, { type: "event", event: third })).toBe(state);
  });

  test("a replayed state does not undo what the greeting said", () => {
    const state = after(
      hello("queued", 3),
      event(1, said("a")),
      event(2, { type: "state_changed", state: "running" }),
      event(3, { type: "state_changed", state: "queued" }),
    );
    const before = after(hello("failed", 3), event(1, { type: "state_changed", state: "idle" }));

    expect(state.session).toBe("queued");
    expect(before.session).toBe("failed");
  });

  test("a failed session says why", () => {
    const state = after(event(1, { type: "state_changed", state: "failed", reason: "no credit" }));

    expect([state.session, state.reason]).toEqual(["failed", "no credit"]);
  });

  test("a tool runs from its start to its result", () => {
    const started = after(down({ type: "tool_started", tool_use_id: "t1" }));
    const ended = reduce(
      started,
      event(1, { type: "tool_result", tool_use_id: "t1", is_error: false, content: [] }),
    );

    expect([started.running, ended.running]).toEqual([["t1"], []]);
  });

  test("without a model in the greeting the chat is a console", () => {
    const state = after(down({ type: "hello", session_id: "ses-1", state: "idle", last_seq: 0 }));

    expect([EMPTY.model, state.model]).toEqual([undefined, null]);
  });

  test("a frame that a newer server sends changes nothing", () => {
    expect(reduce(EMPTY, down({ type: "confetti" } as unknown as ChatDown))).toBe(EMPTY);
  });
});

describe("what was typed", () => {
  test("it is shown until the record has it, whichever word comes first", () => {
    const acknowledgedFirst = after(typed("c1", "hi"), { type: "accepted", clientId: "c1", seq: 1 });
    expect(unsent(acknowledgedFirst)).toHaveLength(1);
    expect(unsent(reduce(acknowledgedFirst, event(1, said("hi"))))).toHaveLength(0);

    const recordedFirst = after(typed("c1", "hi"), event(1, said("hi")));
    expect(unsent(recordedFirst)).toHaveLength(0);
    expect(reduce(recordedFirst, { type: "accepted", clientId: "c1", seq: 1 }).outbox).toEqual([]);
  });

  test("the same words typed twice are two messages", () => {
    const state = after(typed("c1", "again"), typed("c2", "again"), event(1, said("again")));

    expect(unsent(state)).toHaveLength(1);
  });

  test("an older message with the same words does not hide a new one", () => {
    const state = after(event(1, said("again")), typed("c1", "again"));

    expect(unsent(state)).toHaveLength(1);
  });

  test("a refused message stays, with its reason, until it is sent again or withdrawn", () => {
    const refused = after(typed("c1", "hi"), down({ type: "problem", client_id: "c1", problem }));
    expect(refused.outbox[0]?.refused).toEqual(problem);

    expect(reduce(refused, { type: "retried", clientId: "c1" }).outbox[0]?.refused).toBeUndefined();
    expect(reduce(refused, { type: "withdrawn", clientId: "c1" }).outbox).toEqual([]);
  });

  test("a problem of no message is the chat's own, until the record moves on", () => {
    const state = after(down({ type: "problem", problem }));

    expect(state.problem).toEqual(problem);
    expect(reduce(state, event(1, said("x"))).problem).toBeUndefined();
  });

  test("what a reload found comes before what was typed since", () => {
    const kept = { clientId: "c0", text: "old", typedAt: 1, after: 0 };

    const state = after(
      typed("c1", "new"),
      { type: "restored", outbox: [kept] },
      { type: "restored", outbox: [kept] },
    );

    expect(state.outbox.map((item) => item.clientId)).toEqual(["c0", "c1"]);
  });
});

describe("control and approvals", () => {
  const control = (driver: "agent" | "nobody") => down({ type: "control", status: { driver } });

  test("the last word on who drives counts, until the connection is lost", () => {
    const state = after(control("nobody"), control("agent"));

    expect(state.control).toEqual({ driver: "agent" });
    expect(reduce(state, { type: "unlinked" }).control).toBeUndefined();
  });

  test("a word that was given is on its way until something says that it was not taken", () => {
    const given = after({ type: "judged", approval: 4, verdict: "approved" });

    expect(given.verdicts.get(4)).toBe("approved");
    expect(reduce(given, down({ type: "problem", problem })).verdicts.size).toBe(0);
    expect(reduce(given, { type: "failed", problem }).verdicts.size).toBe(0);
    expect(reduce(given, hello("waiting_approval", 0)).verdicts.size).toBe(0);
  });

  test("a question to a person makes the session wait until it is answered or over", () => {
    const asked = after(
      hello("running", 0),
      event(1, { type: "approval_asked", tool_use_id: "t", tool: "bash", shown: "ls", timeout_s: 600 }),
    );
    const word: EventBody = { type: "approval_answered", approval: 1, verdict: "approved", user_id: "u" };
    const result: EventBody = {
      type: "tool_result",
      tool_use_id: "t",
      is_error: true,
      content: [],
      trace: { took_ms: 1 },
    };

    expect(asked.session).toBe("waiting_approval");
    expect(reduce(asked, event(2, word)).session).toBe("running");
    expect(reduce(asked, event(2, result)).session).toBe("running");
  });

  test("what is refused of a message leaves a word on its way", () => {
    const state = after(
      { type: "judged", approval: 4, verdict: "denied" },
      down({ type: "problem", client_id: "c1", problem }),
    );

    expect(state.verdicts.get(4)).toBe("denied");
  });
});
