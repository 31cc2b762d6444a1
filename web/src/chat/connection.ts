// One session's chat: the socket while the desktop is ready, the record's own stream while it is not, and what was typed.
import { call } from "../api/client";
import { ApiError } from "../api/problem";
import type { LinkStatus } from "../api/reconnect";
import { Socket } from "../api/socket";
import { Stream } from "../api/stream";
import type { ChatDown, ChatUp, Desktop, Event, PostedMessage, Verdict } from "../api/types";
import * as outbox from "./outbox";
import { type ChatInput, type ChatState, EMPTY, isGap, type Outgoing, reduce } from "./state";

// How long the socket may take before the record is read without it.
const GRACE_MS = 700;
// What the socket has not accepted by then goes again: a repeat is harmless.
const RESEND_MS = 15_000;

export class ChatConnection {
  private state: ChatState = EMPTY;
  private link: LinkStatus = { kind: "connecting" };
  private socket: Socket | undefined;
  private record: Stream | undefined;
  private recordTimer: ReturnType<typeof setTimeout> | undefined;
  private resendTimer: ReturnType<typeof setInterval> | undefined;
  private readonly listeners = new Set<() => void>();
  private posting: string | undefined;

  constructor(
    readonly sessionId: string,
    private readonly desktopId: string,
  ) {
    this.state = reduce(EMPTY, { type: "restored", outbox: outbox.load(sessionId) });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): ChatState => this.state;
  readonly linkStatus = (): LinkStatus => this.link;

  // The desktop answers the chat only while it is ready; the record can be read and written to at any time.
  open(desktopReady: boolean): void {
    this.resendTimer ??= setInterval(() => this.flush(), RESEND_MS);
    if (desktopReady) {
      this.socket ??= new Socket({
        path: () => `/desktops/${this.desktopId}/chat?session=${this.sessionId}&after=${this.state.lastSeq}`,
        onFrame: (frame) => this.onFrame(frame as ChatDown),
        onStatus: (status) => this.onLink(status),
        diagnose: async () => {
          const desktop = await call<Desktop>("GET", `/desktops/${this.desktopId}`);
          return desktop.state === "ready" ? "The desktop does not answer." : "The desktop is not ready.";
        },
      });
      this.readRecordAfter(GRACE_MS);
    } else {
      this.socket?.close();
      this.socket = undefined;
      this.readRecordAfter(0);
    }
    this.flush();
  }

  close(): void {
    clearInterval(this.resendTimer);
    this.resendTimer = undefined;
    this.socket?.close();
    this.socket = undefined;
    this.stopRecord();
  }

  say(text: string, at: number): void {
    const clientId = crypto.randomUUID();
    this.apply({ type: "typed", clientId, text, at });
    const item = this.state.outbox.find((known) => known.clientId === clientId);
    if (!item) return;
    outbox.keep(this.sessionId, item);
    this.deliver(item);
  }

  retry(clientId: string): void {
    this.apply({ type: "retried", clientId });
    this.flush();
  }

  withdraw(clientId: string): void {
    outbox.drop(this.sessionId, clientId);
    this.apply({ type: "withdrawn", clientId });
  }

  // Both ways at once: the socket may be full of what the agent says, and control may be away.
  async stop(): Promise<void> {
    const sent = this.socket?.send({ type: "stop" }) ?? false;
    try {
      await call("POST", `/sessions/${this.sessionId}/stop`, {});
    } catch (error) {
      if (!sent && error instanceof ApiError) this.apply({ type: "failed", problem: error.problem });
    }
  }

  async judge(approval: number, verdict: Verdict): Promise<void> {
    this.apply({ type: "judged", approval, verdict });
    const type = verdict === "approved" ? "approve" : "deny";
    await this.tell({ type, approval }, type, { approval });
  }

  // By the socket when it is open, or else by control.
  private async tell(frame: ChatUp, path: string, body?: unknown): Promise<void> {
    if (this.socket?.send(frame)) return;
    try {
      await call("POST", `/sessions/${this.sessionId}/${path}`, body === undefined ? {} : { body });
    } catch (error) {
      if (error instanceof ApiError) this.apply({ type: "failed", problem: error.problem });
    }
  }

  readProblem(): void {
    this.apply({ type: "problem_read" });
  }

  told(session: Parameters<typeof reduce>[1] & { type: "session" }): void {
    // The record and the socket know better than a list that was fetched some time ago.
    if (this.state.lastSeq === 0 && !this.socket?.isOpen) this.apply(session);
  }

  retryNow(): void {
    this.socket?.retryNow();
  }

  private onLink(status: LinkStatus): void {
    this.link = status;
    if (status.kind === "open") this.stopRecord();
    else if (this.state.control) this.apply({ type: "unlinked" });
    if (status.kind === "waiting") this.readRecordAfter(GRACE_MS);
    this.emit();
  }

  private onFrame(frame: ChatDown): void {
    if (frame.type === "event") {
      this.onEvent(frame.event);
      return;
    }
    if (frame.type === "accepted") outbox.drop(this.sessionId, frame.client_id);
    this.apply({ type: "down", frame });
    if (frame.type === "hello") this.flush();
  }

  private onEvent(event: Event): void {
    if (isGap(this.state, event)) {
      this.socket?.restart();
      return;
    }
    this.apply({ type: "event", event });
  }

  private readRecordAfter(ms: number): void {
    clearTimeout(this.recordTimer);
    if (this.record) return;
    this.recordTimer = setTimeout(() => {
      if (this.socket?.isOpen || this.record) return;
      this.record = new Stream({
        path: () => `/sessions/${this.sessionId}/events?after=${this.state.lastSeq}`,
        onData: (data) => this.onEvent(JSON.parse(data) as Event),
        onStatus: (status) => {
          // While the socket is wanted its own status is what a person should read.
          if (!this.socket) this.onRecordLink(status);
        },
      });
    }, ms);
  }

  private onRecordLink(status: LinkStatus): void {
    this.link = status;
    this.emit();
  }

  private stopRecord(): void {
    clearTimeout(this.recordTimer);
    this.record?.close();
    this.record = undefined;
  }

  private flush(): void {
    for (const item of this.state.outbox) this.deliver(item);
  }

  private deliver(item: Outgoing): void {
    if (item.refused || item.seq !== undefined || this.posting === item.clientId) return;
    if (this.socket?.send({ type: "send", client_id: item.clientId, text: item.text } satisfies ChatUp))
      return;
    void this.post(item);
  }

  // One at a time, so that messages are stored in the order in which they were typed.
  private async post(item: Outgoing): Promise<void> {
    if (this.posting !== undefined) return;
    this.posting = item.clientId;
    const settled = await this.postOne(item);
    this.posting = undefined;
    if (settled) this.flush();
  }

  private async postOne(item: Outgoing): Promise<boolean> {
    try {
      const body = { text: item.text, client_id: item.clientId };
      const posted = await call<PostedMessage>("POST", `/sessions/${this.sessionId}/messages`, { body });
      outbox.drop(this.sessionId, item.clientId);
      this.apply({ type: "accepted", clientId: item.clientId, seq: posted.seq });
      return true;
    } catch (error) {
      // Without an answer, or with one that may be another in a moment, a later flush tries again.
      const final =
        error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429;
      if (final) this.apply({ type: "refused", clientId: item.clientId, problem: error.problem });
      return final;
    }
  }

  private apply(input: ChatInput): void {
    const next = reduce(this.state, input);
    if (next === this.state) return;
    this.state = next;
    this.emit();
  }

  private emit(): void {
    this.listeners.forEach((listener) => listener());
  }
}
