// Messages, as they are read: the person's on the right, the agent's at full width with its thoughts and actions.
import { memo, type ReactNode } from "react";
import { Button } from "../ui/button";
import { ChevronIcon, InfoIcon, WarnIcon } from "../ui/icons";
import { Spinner } from "../ui/spinner";
import { clockTime } from "../ui/time";
import { HandedBack } from "./handed-back";
import { Prose } from "./markdown";
import type { Draft, Outgoing } from "./state";
import type { Entry, Part } from "./timeline";
import { ToolCard } from "./tool-card";

// An approval changes with every word on it, and stands for itself.
type Said = Exclude<Entry, { kind: "approval" }>;

interface EntryProps {
  entry: Said;
  sessionId: string;
}

export const EntryView = memo(
  function EntryView({ entry, sessionId }: EntryProps) {
    if (entry.kind === "you") return <You text={entry.text} note={clockTime(entry.at)} />;
    if (entry.kind === "notice") return <NoticeEntry entry={entry} />;
    if (entry.kind === "handed_back") return <HandedBack entry={entry} sessionId={sessionId} />;
    return (
      <Message from={entry.console ? "console" : "agent"}>
        {entry.parts.map((part, index) => (
          <PartView key={index} part={part} sessionId={sessionId} plain={entry.console} />
        ))}
        {entry.stopped && <p className="text-sm text-warn">{entry.stopped}</p>}
      </Message>
    );
  },
  (a, b) => a.sessionId === b.sessionId && sameEntry(a.entry, b.entry),
);

// Entries are made anew with every event; only a tool use can change what an old one shows.
function sameEntry(a: Said, b: Said): boolean {
  if (a.key !== b.key || a.kind !== b.kind) return false;
  if (a.kind !== "agent" || b.kind !== "agent") return true;
  return a.parts.every((part, index) => {
    const other = b.parts[index];
    if (part.kind !== "tool" || other?.kind !== "tool") return true;
    return part.use.status === other.use.status && part.use.result === other.use.result;
  });
}

interface MessageProps {
  from: string;
  streaming?: boolean;
  children: ReactNode;
}

function Message({ from, streaming, children }: MessageProps) {
  return (
    <div
      data-testid="message"
      data-from={from}
      data-streaming={streaming || undefined}
      className="space-y-2.5 [content-visibility:auto] [contain-intrinsic-size:auto_120px]"
    >
      {children}
    </div>
  );
}

function PartView({ part, sessionId, plain }: { part: Part; sessionId: string; plain: boolean }) {
  switch (part.kind) {
    case "text":
      return plain ? (
        <p className="whitespace-pre-wrap text-muted">{part.text}</p>
      ) : (
        <Prose text={part.text} />
      );
    case "thinking":
      return <Thinking text={part.text} />;
    case "tool":
      return <ToolCard sessionId={sessionId} use={part.use} />;
  }
}

function Thinking({ text, live = false }: { text: string; live?: boolean }) {
  return (
    <details className="group text-sm text-muted">
      <summary className="inline-flex list-none items-center gap-1 rounded-md select-none hover:text-ink [&::-webkit-details-marker]:hidden">
        <ChevronIcon className="size-3.5 transition-transform group-open:rotate-90" />
        {live ? "Thinking…" : "Thought"}
      </summary>
      <p className="mt-1.5 ml-1.5 border-l-2 border-line pl-3 [overflow-wrap:anywhere] whitespace-pre-wrap">
        {text}
      </p>
    </details>
  );
}

function You({ text, note, pending = false }: { text: string; note: ReactNode; pending?: boolean }) {
  return (
    <div
      data-testid="message"
      data-from="you"
      data-pending={pending || undefined}
      className="flex flex-col items-end gap-1 pl-8"
    >
      <p
        className={`max-w-full rounded-2xl rounded-br-md bg-accent-soft px-3.5 py-2 [overflow-wrap:anywhere] whitespace-pre-wrap ${pending ? "opacity-70" : ""}`}
      >
        {text}
      </p>
      <div className="px-1 text-xs text-faint">{note}</div>
    </div>
  );
}

interface OutgoingProps {
  item: Outgoing;
  onRetry: () => void;
  onWithdraw: () => void;
}

export function OutgoingView({ item, onRetry, onWithdraw }: OutgoingProps) {
  const note = item.refused ? (
    <div className="flex flex-wrap items-center justify-end gap-x-2 gap-y-1 text-right" role="alert">
      <span className="text-bad">Not sent: {item.refused.detail}</span>
      <span className="flex gap-1">
        <Button size="small" onClick={onRetry}>
          Send again
        </Button>
        <Button size="small" look="quiet" onClick={onWithdraw}>
          Discard
        </Button>
      </span>
    </div>
  ) : (
    <span className="flex items-center gap-1.5">
      <Spinner className="size-3" /> Sending
    </span>
  );
  return <You text={item.text} note={note} pending />;
}

function NoticeEntry({ entry }: { entry: Extract<Entry, { kind: "notice" }> }) {
  const bad = entry.tone === "bad";
  const Icon = bad ? WarnIcon : InfoIcon;
  return (
    <div
      data-testid="message"
      data-from="notice"
      className={`flex items-start gap-2 rounded-xl px-3 py-2 text-sm ${bad ? "bg-bad-soft" : "text-muted"}`}
    >
      <Icon className={`mt-0.5 size-4 ${bad ? "text-bad" : "text-faint"}`} />
      <p className="min-w-0 [overflow-wrap:anywhere] whitespace-pre-wrap">{entry.text}</p>
    </div>
  );
}

export function DraftView({ draft }: { draft: Draft }) {
  return (
    <Message from="agent" streaming>
      {draft.blocks.map((block) => {
        if (block.kind === "text") return <Prose key={block.index} text={block.text} />;
        if (block.kind === "thinking") return <Thinking key={block.index} text={block.text} live />;
        return (
          <div
            key={block.index}
            data-testid="tool-card"
            data-tool=""
            data-status="writing"
            className="flex items-center gap-2.5 rounded-xl border border-dashed border-line-strong px-3 py-2 text-sm text-muted"
          >
            <Spinner className="size-4 text-accent" />
            <span className="shrink-0">Choosing an action</span>
            <code className="min-w-0 truncate font-mono text-xs text-faint">{block.text.slice(0, 300)}</code>
          </div>
        );
      })}
    </Message>
  );
}

export function Working() {
  return (
    <p className="flex items-center gap-2 text-sm text-muted" aria-hidden="true">
      <span className="flex gap-1">
        {[0, 1, 2].map((n) => (
          <span
            key={n}
            className="size-1.5 animate-pulse rounded-full bg-accent"
            style={{ animationDelay: `${n * 160}ms` }}
          />
        ))}
      </span>
    </p>
  );
}
