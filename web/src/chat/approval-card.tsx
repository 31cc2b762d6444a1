// An action that waits for a person's word: what it is, exactly, why it is asked, and how it was answered.
import { useEffect, useId, useRef, useState } from "react";
import { useMe } from "../api/account";
import type { Verdict } from "../api/types";
import { Button } from "../ui/button";
import { CheckIcon, CrossIcon, WarnIcon } from "../ui/icons";
import { elapsed, useNow } from "../ui/time";
import { ended, timeLeft, why } from "./approval";
import { describe } from "./describe";
import { Screenshot } from "./picture";
import type { Entry, Outcome } from "./timeline";

interface Props {
  entry: Extract<Entry, { kind: "approval" }>;
  sessionId: string;
  // The word that is on its way.
  given: Verdict | undefined;
  onJudge: (verdict: Verdict) => void;
}

export function ApprovalCard({ entry, sessionId, given, onJudge }: Props) {
  const { asked, use, outcome } = entry;
  const heading = useId();
  const waiting = outcome.kind === "waiting";
  const judged = useRef(false);
  const end = useRef<HTMLParagraphElement>(null);

  // Who pressed a button that is gone now stays where they were.
  useEffect(() => {
    if (!waiting && judged.current) end.current?.focus();
  }, [waiting]);

  const title = describe(use.name, use.input).title;
  return (
    <section
      id={`approval-${entry.key}`}
      aria-labelledby={heading}
      tabIndex={-1}
      data-testid="approval-card"
      data-tool={asked.tool}
      data-outcome={outcome.kind === "answered" ? outcome.verdict : outcome.kind}
      className={`overflow-hidden rounded-xl border bg-surface text-sm ${waiting ? "border-warn shadow-card" : "border-line"}`}
    >
      <div
        className={`flex flex-wrap items-center gap-x-2.5 gap-y-0.5 px-3 py-2 ${waiting ? "bg-warn-soft" : ""}`}
      >
        <WarnIcon className={waiting ? "size-4 text-warn" : "size-4 text-faint"} />
        <h3 id={heading} className="min-w-0 flex-1 font-medium">
          {waiting ? "May the agent do this?" : "The agent asked for your word"}
        </h3>
        {waiting && <Countdown entry={entry} />}
      </div>
      <div className="border-t border-line px-3 py-2.5">
        <p className="font-medium [overflow-wrap:anywhere]">
          {title} <code className="font-mono text-xs font-normal text-faint">{asked.tool}</code>
        </p>
        <p className="mt-0.5 text-muted">{why(asked.risk)}</p>
        <pre
          data-testid="approval-shown"
          aria-label="The exact input"
          role="group"
          // What scrolls must be reachable by keyboard.
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          tabIndex={0}
          className="mt-2 max-h-56 overflow-auto rounded-lg border border-line bg-sunken px-3 py-2 font-mono text-xs leading-relaxed [overflow-wrap:anywhere] whitespace-pre-wrap"
        >
          {asked.shown}
        </pre>
        {asked.picture && (
          <div className="mt-2">
            <Screenshot
              sessionId={sessionId}
              picture={asked.picture}
              mark={asked.mark ?? undefined}
              region={asked.region ?? undefined}
              alt={`The screen before: ${title}`}
            />
          </div>
        )}
        {waiting ? (
          <Buttons
            given={given}
            onJudge={(verdict) => {
              judged.current = true;
              onJudge(verdict);
            }}
          />
        ) : (
          <Ending outcome={outcome} ref={end} />
        )}
      </div>
    </section>
  );
}

// A press that was meant for what stood here a moment ago is no word.
const ARMED_AFTER_MS = 500;

function Buttons({ given, onJudge }: { given: Verdict | undefined; onJudge: (verdict: Verdict) => void }) {
  const [armed, setArmed] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setArmed(true), ARMED_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="mt-3 flex justify-end gap-2">
      <Button
        disabled={!armed || given !== undefined}
        busy={given === "denied"}
        onClick={() => onJudge("denied")}
      >
        Deny
      </Button>
      <Button
        look="primary"
        disabled={!armed || given !== undefined}
        busy={given === "approved"}
        onClick={() => onJudge("approved")}
      >
        Approve
      </Button>
    </div>
  );
}

function Countdown({ entry }: { entry: Props["entry"] }) {
  const left = timeLeft(entry.asked, entry.at, useNow());
  return (
    <span role="timer" aria-live="off" className="text-xs text-muted tabular-nums">
      {left > 0 ? `${elapsed(left)} left` : "Time is up: it will not run"}
    </span>
  );
}

interface EndingProps {
  outcome: Exclude<Outcome, { kind: "waiting" }>;
  ref: React.Ref<HTMLParagraphElement>;
}

function Ending({ outcome, ref }: EndingProps) {
  const me = useMe().data?.id;
  const approved = outcome.kind === "answered" && outcome.verdict === "approved";
  const Icon = approved ? CheckIcon : CrossIcon;
  return (
    <>
      <p
        ref={ref}
        tabIndex={-1}
        className="mt-3 flex items-center gap-2 font-medium outline-none [overflow-wrap:anywhere]"
      >
        <Icon className={`size-4 ${approved ? "text-good" : "text-bad"}`} />
        {ended(outcome, me)}
      </p>
      {outcome.kind === "over" && outcome.why && (
        <p className="mt-1 [overflow-wrap:anywhere] whitespace-pre-wrap text-muted">{outcome.why}</p>
      )}
    </>
  );
}
