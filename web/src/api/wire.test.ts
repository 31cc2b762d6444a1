// No request carries the frames of the chat socket, so nothing else would notice that they have changed.
import { expect, test } from "vitest";
import record from "../../../protocol/tests/snapshots/wire__the_record.snap?raw";
import snapshot from "../../../protocol/tests/snapshots/wire__the_chat_socket.snap?raw";
import { EMPTY, reduce } from "../chat/state";
import { timeline } from "../chat/timeline";
import { driving } from "../desktop/driving";
import type { ChatDown, ChatUp, EventBody } from "./types";

const frames = JSON.parse(snapshot.split("\n---\n")[1] ?? "") as (ChatDown | ChatUp)[];
const bodies = JSON.parse(record.split("\n---\n")[1] ?? "") as EventBody[];
const down = (type: ChatDown["type"]) => {
  const frame = frames.find((candidate) => candidate.type === type);
  if (!frame) throw new Error(`the protocol no longer has a frame ${type}`);
  return { type: "down" as const, frame: frame as ChatDown };
};

const HOLDER = "usr-0193a5b2c4d67e8f9a0b1c2d3e4f5061";

test("a browser's frames are those that the protocol knows", () => {
  const send: ChatUp = { type: "send", client_id: "c-1", text: "Hello" };

  expect(frames).toContainEqual(send);
  expect(frames).toContainEqual({ type: "stop" } satisfies ChatUp);
  expect(frames).toContainEqual({ type: "approve", approval: 4 } satisfies ChatUp);
  expect(frames).toContainEqual({ type: "deny", approval: 4 } satisfies ChatUp);
});

test("every frame of a desktop is understood", () => {
  const { frame } = down("event");
  if (frame.type !== "event" || frame.event.type !== "tool_result") throw new Error("another event");
  const use = { type: "tool_use", id: frame.event.tool_use_id, name: "left_click", input: {} };
  const before = {
    ...EMPTY,
    lastSeq: frame.event.seq - 1,
    events: [
      {
        seq: 1,
        at: 0,
        type: "assistant_message" as const,
        message_id: "m",
        content: [use],
        stop_reason: "tool_use",
        model: "claude",
      },
    ],
  };

  const started = reduce(reduce(before, down("hello")), down("tool_started"));
  const written = reduce(started, down("delta"));
  const done = reduce(written, down("event"));

  expect(started.model).toBeNull();
  expect(timeline(started)).toMatchObject([{ parts: [{ use: { status: "running" } }] }]);
  expect(written.drafts).toMatchObject([{ blocks: [{ kind: "tool_input" }] }]);
  expect(timeline(done)).toMatchObject([
    { parts: [{ use: { status: "done", result: { trace: { took_ms: 41, mark: { x: 300, y: 200 } } } } }] },
  ]);
  expect(reduce(written, down("discarded")).drafts).toEqual([]);
  expect(driving(reduce(EMPTY, down("control")).control ?? { driver: "nobody" }, HOLDER)).toBe("you");
  expect(reduce(done, down("problem")).problem).toMatchObject({ code: "not_found" });
});

test("an approval, its answer and a hand-back are understood as they stand in the record", () => {
  const kinds = ["approval_asked", "approval_answered", "handed_back"];
  const told = bodies.filter((body) => kinds.includes(body.type));
  const events = told.map((body, index) => ({ ...body, seq: index + 4, at: 0 }));

  const entries = timeline({ events, running: [], session: "running" });

  expect(told).toHaveLength(3);
  expect(entries).toMatchObject([
    { kind: "approval", asked: { risk: "submit", shown: "Return" }, outcome: { verdict: "denied" } },
    { kind: "handed_back", note: "I have signed in.", picture: { media_type: "image/png" } },
  ]);
});
