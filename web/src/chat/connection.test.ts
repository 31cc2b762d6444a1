import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ChatUp } from "../api/types";
import { ChatConnection } from "./connection";
import { load } from "./outbox";

// The far side of every socket that was opened, newest last.
let sockets: FakeSocket[];
let posts: { path: string; body: { text: string; client_id: string } }[];
let answerPost: () => Response;
let connection: ChatConnection;

class FakeSocket {
  static OPEN = 1;
  readyState = 0;
  sent: ChatUp[] = [];
  onopen?: () => void;
  onmessage?: (message: { data: string }) => void;
  onclose?: (event: { reason: string }) => void;

  constructor(readonly url: string) {
    sockets.push(this);
  }
  send(text: string) {
    this.sent.push(JSON.parse(text) as ChatUp);
  }
  close() {
    this.readyState = 3;
    this.onclose?.({ reason: "" });
  }
  accept(last_seq = 0) {
    this.readyState = 1;
    this.onopen?.();
    this.say({ type: "hello", session_id: "ses-1", state: "idle", last_seq, model: "claude" });
  }
  say(frame: unknown) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  event(seq: number, text: string) {
    const event = { seq, at: seq, type: "user_message", message_id: `m${seq}`, user_id: "u", text };
    this.say({ type: "event", event });
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  posts = [];
  answerPost = () => Response.json({ message_id: "m", seq: posts.length });
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("location", { protocol: "http:", host: "localhost:1" });
  const target = { addEventListener: () => undefined, removeEventListener: () => undefined };
  vi.stubGlobal("window", target);
  vi.stubGlobal("document", { ...target, visibilityState: "visible" });
  const stored = new Map<string, string>();
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => stored.set(key, value),
    removeItem: (key: string) => stored.delete(key),
  });
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    if (init.method === "POST") {
      posts.push({ path: url, body: JSON.parse(String(init.body)) });
      return answerPost();
    }
    // A stream that says nothing, or a desktop that is there.
    return url.includes("/events?")
      ? new Response(new ReadableStream(), { status: 200 })
      : Response.json({ id: "dsk-1", state: "ready" });
  });
  connection = new ChatConnection("ses-1", "dsk-1");
});

afterEach(() => {
  connection.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const newest = () => sockets.at(-1) as FakeSocket;
const sends = (socket: FakeSocket) => socket.sent.flatMap((frame) => (frame.type === "send" ? [frame] : []));

test("what was typed while the socket was open goes by it, and is kept until it is accepted", () => {
  connection.open(true);
  newest().accept();

  connection.say("hello", 1);

  const [sent] = sends(newest());
  expect(sent?.text).toBe("hello");
  expect(load("ses-1", localStorage, 1)).toHaveLength(1);
  newest().event(1, "hello");
  newest().say({ type: "accepted", client_id: sent?.client_id, seq: 1 });
  expect(load("ses-1", localStorage, 1)).toHaveLength(0);
  expect(connection.snapshot().outbox).toEqual([]);
});

test("a socket that dies before it accepts gets the same message again, under the same name", async () => {
  connection.open(true);
  newest().accept();
  connection.say("hello", 1);
  const first = sends(newest())[0];

  newest().close();
  await vi.advanceTimersByTimeAsync(2_000);
  newest().accept();

  expect(sockets).toHaveLength(2);
  expect(sends(newest())).toEqual([first]);
});

test("it goes on after the last event that it has", async () => {
  connection.open(true);
  newest().accept();
  newest().event(1, "a");
  newest().event(2, "b");

  newest().close();
  await vi.advanceTimersByTimeAsync(2_000);

  expect(newest().url).toMatch(/\/desktops\/dsk-1\/chat\?session=ses-1&after=2$/);
});

test("a gap in the record is asked for again, not skipped", async () => {
  connection.open(true);
  newest().accept();
  newest().event(1, "a");
  newest().event(3, "c");
  await vi.advanceTimersByTimeAsync(2_000);

  expect(newest().url).toMatch(/after=1$/);
  expect(connection.snapshot().events.map((event) => event.seq)).toEqual([1]);
});

test("while the desktop is not ready messages are posted, one at a time and in order", async () => {
  connection.open(false);
  connection.say("first", Date.now());
  connection.say("second", Date.now());
  expect(posts.map(({ body }) => body.text)).toEqual(["first"]);

  await vi.advanceTimersByTimeAsync(0);

  expect(sockets).toHaveLength(0);
  expect(posts.map(({ path, body }) => [path, body.text])).toEqual([
    ["/api/v1/sessions/ses-1/messages", "first"],
    ["/api/v1/sessions/ses-1/messages", "second"],
  ]);
  expect(load("ses-1", localStorage)).toEqual([]);
});

test("a post that nothing answers is tried again; one that is refused says why and waits for the person", async () => {
  answerPost = () => {
    throw new TypeError("Failed to fetch");
  };
  connection.open(false);
  connection.say("hello", Date.now());
  await vi.advanceTimersByTimeAsync(0);
  expect(connection.snapshot().outbox[0]?.refused).toBeUndefined();

  answerPost = () => Response.json({ code: "conflict", title: "No", detail: "Not now." }, { status: 409 });
  await vi.advanceTimersByTimeAsync(16_000);

  expect(posts).toHaveLength(2);
  expect(connection.snapshot().outbox[0]?.refused?.detail).toBe("Not now.");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(posts).toHaveLength(2);
});

test("what an earlier page left unsent is sent by this one", () => {
  connection.open(false);
  answerPost = () => {
    throw new TypeError("Failed to fetch");
  };
  connection.say("before the reload", Date.now());
  connection.close();

  connection = new ChatConnection("ses-1", "dsk-1");
  connection.open(true);
  newest().accept();

  const texts = [...sends(newest()), ...posts.map(({ body }) => body)].map(({ text }) => text);
  expect(texts).toContain("before the reload");
});

test("the agent is stopped by the socket when there is one, else by the API", async () => {
  connection.open(true);
  newest().accept();
  await connection.stop();
  expect(newest().sent).toEqual([{ type: "stop" }]);

  answerPost = () => Response.json({});
  vi.stubGlobal("fetch", async (url: string) => {
    posts.push({ path: url, body: { text: "", client_id: "" } });
    return Response.json({});
  });
  connection.open(false);
  await connection.stop();

  expect(posts.at(-1)?.path).toBe("/api/v1/sessions/ses-1/stop");
});

test("a word on an approval goes by the socket when there is one, else by the API", async () => {
  connection.open(true);
  newest().accept();
  await connection.judge(4, "approved");
  expect(newest().sent).toEqual([{ type: "approve", approval: 4 }]);

  answerPost = () => Response.json({ code: "conflict", title: "No", detail: "It is over." }, { status: 409 });
  connection.open(false);
  await connection.judge(4, "denied");

  expect(posts).toEqual([{ path: "/api/v1/sessions/ses-1/deny", body: { approval: 4 } }]);
  expect(connection.snapshot()).toMatchObject({ verdicts: new Map(), problem: { detail: "It is over." } });
});

test("who drives is not known from a socket that is lost", () => {
  connection.open(true);
  newest().accept();
  newest().say({ type: "control", status: { driver: "agent" } });
  expect(connection.snapshot().control).toEqual({ driver: "agent" });

  newest().close();

  expect(connection.snapshot().control).toBeUndefined();
});
