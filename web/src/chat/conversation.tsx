// One session, live: what was said and done, and the field to say more.
import { type Ref, useEffect, useImperativeHandle, useMemo, useRef, useState } from "react";
import type { Desktop, Session } from "../api/types";
import { type Control, useControlFromChat } from "../desktop/control";
import type { Driving } from "../desktop/driving";
import { useRefreshSessions } from "../session/queries";
import { spentInWords, spentUntilNow } from "../session/spent";
import { CrossIcon, DownIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { ApprovalCard } from "./approval-card";
import { Composer, type ComposerHandle } from "./composer";
import { describe } from "./describe";
import { DraftView, EntryView, OutgoingView, Working } from "./message";
import { NoModel } from "./no-model";
import { useStickToEnd } from "../ui/scroll";
import { hasWork, unsent } from "./state";
import { LinkLine, SessionLine } from "./status";
import { timeline, waitingApproval } from "./timeline";
import { useChat } from "./use-chat";

interface Props {
  session: Session;
  desktop: Desktop;
  control: Control;
  // Is there no key, as far as the page knows before the desktop says so?
  noKey: boolean;
  composer: Ref<ComposerHandle>;
}

// A session's title comes from its first message: what the list tells from before that is out of date.
function useTitleFromFirstMessage(session: Session, began: boolean) {
  const refresh = useRefreshSessions(session.desktop_id);
  const outOfDate = began && session.last_seq === 0;
  useEffect(() => {
    if (outOfDate) void refresh();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `refresh` is new at every rendering
  }, [outOfDate]);
}

const HELD = "Somebody else drives: the agent reads this when control is handed back.";
const PAUSED: Record<Driving, string | undefined> = {
  you: "You drive: the agent reads this when you hand control back.",
  other: HELD,
  agent: undefined,
  nobody: undefined,
};

function show(id: string): void {
  const element = document.getElementById(id);
  element?.scrollIntoView({ block: "nearest" });
  element?.focus({ preventScroll: true });
}

// A long session stays quick: older entries come when they are asked for.
const PAGE = 150;

export function Conversation({ session, desktop, control, noKey, composer }: Props) {
  const { connection, state, link } = useChat(session, desktop.state === "ready");
  const field = useRef<ComposerHandle>(null);
  useImperativeHandle(composer, () => ({
    focus: () => field.current?.focus(),
    suggest: (text) => field.current?.suggest(text),
  }));

  const entries = useMemo(
    () => timeline({ events: state.events, running: state.running, session: state.session }),
    [state.events, state.running, state.session],
  );
  const approval = waitingApproval(entries);
  const outgoing = unsent(state);
  const [shown, setShown] = useState(PAGE);
  const visible = entries.slice(-shown);

  const { box, away, onScroll, toEnd } = useStickToEnd(state);

  useTitleFromFirstMessage(session, state.lastSeq > 0);
  const ready = desktop.state === "ready";
  useControlFromChat(desktop.id, state.control, ready && link.kind === "open");

  const noModel = state.model === undefined ? noKey : state.model === null;
  const working = hasWork(state.session);
  const quiet = state.drafts.length === 0 && state.running.length === 0;
  const last = state.events.findLast((event) => event.type === "user_message");

  const say = (text: string) => {
    connection.say(text, Date.now());
    toEnd();
    return true;
  };

  return (
    <>
      <div className="relative min-h-0 flex-1">
        <div
          ref={box}
          role="log"
          aria-label="Conversation"
          // A scrollable region must be reachable by keyboard.
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          tabIndex={0}
          onScroll={onScroll}
          className="absolute inset-0 overflow-y-auto px-4 focus-visible:-outline-offset-2"
        >
          <div className="mx-auto max-w-2xl space-y-5 py-5">
            {entries.length > shown && (
              <button
                type="button"
                className="mx-auto block text-sm font-medium text-accent hover:underline"
                onClick={() => setShown(shown + PAGE)}
              >
                Show earlier messages
              </button>
            )}
            {visible.map((entry) =>
              entry.kind === "approval" ? (
                <ApprovalCard
                  key={entry.key}
                  entry={entry}
                  sessionId={session.id}
                  given={state.verdicts.get(Number(entry.key))}
                  onJudge={(verdict) => void connection.judge(Number(entry.key), verdict)}
                />
              ) : (
                <EntryView key={entry.key} entry={entry} sessionId={session.id} />
              ),
            )}
            {state.drafts.map((draft) => (
              <DraftView key={draft.messageId} draft={draft} />
            ))}
            {state.session === "running" && quiet && <Working />}
            {outgoing.map((item) => (
              <OutgoingView
                key={item.clientId}
                item={item}
                onRetry={() => connection.retry(item.clientId)}
                onWithdraw={() => connection.withdraw(item.clientId)}
              />
            ))}
          </div>
        </div>
        {away && (
          <button
            type="button"
            aria-label="Go to the newest message"
            className="appear absolute bottom-3 left-1/2 grid size-9 -translate-x-1/2 place-items-center rounded-full border border-line bg-raised text-muted shadow-card hover:text-ink"
            onClick={toEnd}
          >
            <DownIcon />
          </button>
        )}
      </div>
      <div className="mx-auto w-full max-w-2xl space-y-2 px-4 pt-1 pb-4">
        <LinkLine link={link} onRetry={() => connection.retryNow()} />
        {state.problem && (
          <Notice tone="bad">
            <span className="flex items-start justify-between gap-2">
              {state.problem.detail}
              <button type="button" aria-label="Dismiss" onClick={() => connection.readProblem()}>
                <CrossIcon />
              </button>
            </span>
          </Notice>
        )}
        {noModel && <NoModel compact={entries.length > 0} onTry={(text) => field.current?.suggest(text)} />}
        <p role="status" className="sr-only" data-testid="approval-announcement">
          {approval &&
            `The agent asks for your word: ${describe(approval.use.name, approval.use.input).title}`}
        </p>
        <SessionLine
          state={state.session}
          reason={state.reason}
          desktop={desktop}
          who={control.who}
          spent={spentInWords(spentUntilNow(session, state.events), session.settings.budgets ?? {})}
          onShowApproval={approval && (() => show(`approval-${approval.key}`))}
        />
        <Composer
          ref={field}
          placeholder={noModel ? "A command, such as /screenshot" : "What should the agent do?"}
          hint={state.session === "paused" ? PAUSED[control.who ?? "other"] : undefined}
          working={working}
          previous={last?.type === "user_message" ? last.text : undefined}
          onSend={say}
          onStop={() => void connection.stop()}
        />
      </div>
    </>
  );
}
