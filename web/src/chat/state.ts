// What a chat knows: a pure function of what the record, the socket and the person said, in any order and however often.
import type {
  ChatDown,
  ControlStatus,
  DeltaKind,
  Event,
  Millis,
  Problem,
  Session,
  SessionState,
  Verdict,
} from "../api/types";

export interface ChatState {
  lastSeq: number;
  events: Event[];
  // Messages that are being written: gone as soon as the record has them.
  drafts: Draft[];
  // Tool uses that have begun and have no result yet.
  running: string[];
  session: SessionState;
  reason: string | undefined;
  // The event up to which `session` is known: an older one, replayed, says nothing of the present.
  stateSeq: number;
  // undefined: not told yet. null: no key, the chat is a console.
  model: string | null | undefined;
  // Who drives the desktop, as the socket last said.
  control: ControlStatus | undefined;
  // Words on approvals that are on their way to the record, by the `seq` of the event that asked.
  verdicts: ReadonlyMap<number, Verdict>;
  outbox: Outgoing[];
  problem: Problem | undefined;
}

export interface Draft {
  messageId: string;
  blocks: DraftBlock[];
}

export interface DraftBlock {
  index: number;
  kind: DeltaKind;
  text: string;
  // How many characters (Unicode scalar values) the server has sent of it.
  length: number;
}

// What a person typed, until the record has it.
export interface Outgoing {
  clientId: string;
  text: string;
  typedAt: Millis;
  // The newest event when it was typed: what the record has of it can only be newer.
  after: number;
  // Where it stands in the record, once that is known.
  seq?: number;
  refused?: Problem;
}

export type ChatInput =
  | { type: "down"; frame: ChatDown }
  | { type: "event"; event: Event }
  | { type: "session"; session: Pick<Session, "state" | "reason" | "last_seq"> }
  | { type: "restored"; outbox: Outgoing[] }
  | { type: "typed"; clientId: string; text: string; at: Millis }
  | { type: "accepted"; clientId: string; seq: number }
  | { type: "refused"; clientId: string; problem: Problem }
  | { type: "retried"; clientId: string }
  | { type: "withdrawn"; clientId: string }
  | { type: "judged"; approval: number; verdict: Verdict }
  // The socket is lost, and with it what it alone tells.
  | { type: "unlinked" }
  | { type: "failed"; problem: Problem }
  | { type: "problem_read" };

export const EMPTY: ChatState = {
  lastSeq: 0,
  events: [],
  drafts: [],
  running: [],
  session: "idle",
  reason: undefined,
  stateSeq: 0,
  model: undefined,
  control: undefined,
  verdicts: new Map(),
  outbox: [],
  problem: undefined,
};

const WORKING: readonly SessionState[] = [
  "queued",
  "running",
  "waiting_approval",
  "paused",
  "waiting_control",
];

// Does the agent have something to do, now or as soon as it can?
export function hasWork(state: SessionState): boolean {
  return WORKING.includes(state);
}

// An event that cannot follow what is known: some are missing, so they must be asked for again.
export function isGap(state: ChatState, event: Event): boolean {
  return event.seq > state.lastSeq + 1;
}

// What was typed and is not in the record yet. The record may show a message before it is acknowledged.
export function unsent(state: ChatState): Outgoing[] {
  const shown = state.events.filter((event) => event.type === "user_message");
  const used = new Set<number>();
  return state.outbox.filter((item) => {
    const same = shown.find((e) => e.seq > item.after && e.text === item.text && !used.has(e.seq));
    if (same) used.add(same.seq);
    return !same;
  });
}

export function reduce(state: ChatState, input: ChatInput): ChatState {
  switch (input.type) {
    case "down":
      return onFrame(state, input.frame);
    case "event":
      return onEvent(state, input.event);
    case "session":
      return {
        ...state,
        session: input.session.state,
        reason: input.session.reason ?? undefined,
        stateSeq: input.session.last_seq,
      };
    case "restored":
      return { ...state, outbox: merge(input.outbox, state.outbox) };
    case "typed":
      return {
        ...state,
        outbox: [
          ...state.outbox,
          { clientId: input.clientId, text: input.text, typedAt: input.at, after: state.lastSeq },
        ],
      };
    case "accepted":
      return onAccepted(state, input.clientId, input.seq);
    case "refused":
      return change(state, input.clientId, (item) => ({ ...item, refused: input.problem }));
    case "retried":
      return change(state, input.clientId, ({ refused, ...item }) => item);
    case "withdrawn":
      return { ...state, outbox: state.outbox.filter((item) => item.clientId !== input.clientId) };
    case "judged":
      return { ...state, verdicts: new Map(state.verdicts).set(input.approval, input.verdict) };
    case "unlinked":
      return { ...state, control: undefined };
    case "failed":
      // A word that was not taken can be given again.
      return { ...state, problem: input.problem, verdicts: EMPTY.verdicts };
    case "problem_read":
      return { ...state, problem: undefined };
  }
}

function onFrame(state: ChatState, frame: ChatDown): ChatState {
  switch (frame.type) {
    case "hello":
      // What streamed over the last connection may have been discarded since: the server sends it again if not.
      return {
        ...state,
        session: frame.state,
        reason: frame.state === state.session ? state.reason : undefined,
        stateSeq: frame.last_seq,
        model: frame.model ?? null,
        drafts: [],
        running: [],
        verdicts: EMPTY.verdicts,
        problem: undefined,
      };
    case "event":
      return onEvent(state, frame.event);
    case "delta":
      return { ...state, drafts: addDelta(state.drafts, frame) };
    case "discarded":
      return { ...state, drafts: state.drafts.filter((draft) => draft.messageId !== frame.message_id) };
    case "tool_started":
      if (state.running.includes(frame.tool_use_id)) return state;
      return { ...state, running: [...state.running, frame.tool_use_id] };
    case "accepted":
      return onAccepted(state, frame.client_id, frame.seq);
    case "problem":
      return frame.client_id
        ? change(state, frame.client_id, (item) => ({ ...item, refused: frame.problem }))
        : { ...state, problem: frame.problem, verdicts: EMPTY.verdicts };
    case "control":
      return { ...state, control: frame.status };
    default:
      // A newer server may say more than this page understands.
      return state;
  }
}

function onEvent(state: ChatState, event: Event): ChatState {
  if (event.seq <= state.lastSeq || isGap(state, event)) return state;
  const next: ChatState = {
    ...state,
    lastSeq: event.seq,
    events: [...state.events, event],
    problem: undefined,
    outbox: state.outbox.filter((item) => item.seq !== event.seq),
  };
  switch (event.type) {
    case "assistant_message":
      return { ...next, drafts: state.drafts.filter((draft) => draft.messageId !== event.message_id) };
    case "tool_result":
      return {
        ...waiting(next, event.seq, false),
        running: state.running.filter((id) => id !== event.tool_use_id),
      };
    case "approval_asked":
      return waiting(next, event.seq, true);
    case "approval_answered":
      return waiting(next, event.seq, false);
    case "state_changed": {
      if (event.seq < state.stateSeq) return next;
      const changed = { ...next, session: event.state, reason: event.reason ?? undefined };
      return hasWork(event.state) ? changed : { ...changed, drafts: [], running: [] };
    }
    default:
      return next;
  }
}

// A question and its answer change the session's state without an event of its own.
function waiting(state: ChatState, seq: number, begins: boolean): ChatState {
  const [from, to] = begins
    ? (["running", "waiting_approval"] as const)
    : (["waiting_approval", "running"] as const);
  return state.session === from && seq >= state.stateSeq ? { ...state, session: to } : state;
}

function onAccepted(state: ChatState, clientId: string, seq: number): ChatState {
  if (seq > state.lastSeq) {
    return change(state, clientId, ({ refused, ...item }) => ({ ...item, seq }));
  }
  return { ...state, outbox: state.outbox.filter((item) => item.clientId !== clientId) };
}

function change(state: ChatState, clientId: string, how: (item: Outgoing) => Outgoing): ChatState {
  return { ...state, outbox: state.outbox.map((item) => (item.clientId === clientId ? how(item) : item)) };
}

function merge(first: Outgoing[], second: Outgoing[]): Outgoing[] {
  const known = new Set(first.map((item) => item.clientId));
  return [...first, ...second.filter((item) => !known.has(item.clientId))];
}

type Delta = Extract<ChatDown, { type: "delta" }>;

function addDelta(drafts: Draft[], delta: Delta): Draft[] {
  const known = drafts.find((draft) => draft.messageId === delta.message_id);
  const draft = known ?? { messageId: delta.message_id, blocks: [] };
  const block = draft.blocks.find((b) => b.index === delta.block) ?? {
    index: delta.block,
    kind: delta.kind,
    text: "",
    length: 0,
  };
  const longer = extend(block, delta);
  if (longer === block && known) return drafts;
  const blocks = [...draft.blocks.filter((b) => b.index !== delta.block), longer];
  blocks.sort((a, b) => a.index - b.index);
  const changed = { ...draft, blocks };
  return known ? drafts.map((d) => (d === known ? changed : d)) : [...drafts, changed];
}

// Adds what is new in a delta: a repeat adds nothing, an overlap its rest, a hole is shown as one.
function extend(block: DraftBlock, delta: Delta): DraftBlock {
  const characters = Array.from(delta.text);
  const end = delta.offset + characters.length;
  if (end <= block.length) return block;
  const hole = delta.offset > block.length ? "…" : "";
  const fresh = characters.slice(Math.max(0, block.length - delta.offset)).join("");
  return { ...block, text: block.text + hole + fresh, length: end };
}
