// No request carries the frames of the chat socket, so nothing else would notice that they have changed.
import { expect, test } from "vitest";
import snapshot from "../../../protocol/tests/snapshots/wire__the_chat_socket.snap?raw";
import { EMPTY, reduce } from "../chat/state";
import { timeline } from "../chat/timeline";
import type { ChatDown, ChatUp } from "./types";

const frames = JSON.parse(snapshot.split("\n---\n")[1] ?? "") as (ChatDown | ChatUp)[];
const down = (type: ChatDown["type"]) => {
  const frame = frames.find((candidate) => candidate.type === type);
  if (!frame) throw new Error(`the protocol no longer has a frame ${type}`);
  return { type: "down" as const, frame: frame as ChatDown };
};

test("a browser's frames are those that the protocol knows", () => {
  const send: ChatUp = { type: "send", client_id: "c-1", text: "Hello" };

  expect(frames).toContainEqual(send);
  expect(frames).toContainEqual({ type: "stop" } satisfies ChatUp);
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
  expect(reduce(done, down("problem")).problem).toMatchObject({ code: "not_found" });
});
