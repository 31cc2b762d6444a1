// A step in words: what was said before it, what was done, and what came of it.
import type { ReactNode } from "react";
import { Prose } from "../../chat/markdown";
import { speaks } from "../../chat/kind";
import { dateTime } from "../../ui/time";
import type { Said, Step } from "./steps";

const LONGEST_OUTPUT = 4_000;

export function StepWords({ step }: { step: Step }) {
  const { action, said } = step;
  return (
    <div className="space-y-3 text-sm">
      <p className="text-xs text-faint tabular-nums">
        <time dateTime={new Date(step.at).toISOString()}>{dateTime(step.at)}</time>
      </p>
      {action && (
        <div>
          <h2 data-testid="replay-action" className="text-base font-semibold [overflow-wrap:anywhere]">
            {action.title}
          </h2>
          {action.code && <Fixed>{action.code}</Fixed>}
          {action.failed ? (
            <p className="mt-2 rounded-lg bg-bad-soft px-3 py-2 [overflow-wrap:anywhere] whitespace-pre-wrap">
              {action.output || "It failed without saying why."}
            </p>
          ) : (
            action.output && speaks(action) && <Fixed>{action.output.slice(0, LONGEST_OUTPUT)}</Fixed>
          )}
        </div>
      )}
      {said.length > 0 && (
        <div className="space-y-2.5 border-t border-line pt-3">
          <h3 className="text-xs font-medium text-faint">{action ? "Before it" : "At the end"}</h3>
          {said.map((one, index) => (
            <Words key={index} said={one} />
          ))}
        </div>
      )}
    </div>
  );
}

function Words({ said }: { said: Said }) {
  switch (said.from) {
    case "agent":
      return <Prose text={said.text} />;
    case "you":
      return (
        <p className="rounded-xl bg-accent-soft px-3 py-2 [overflow-wrap:anywhere] whitespace-pre-wrap">
          {said.text}
        </p>
      );
    case "thought":
      return (
        <p className="border-l-2 border-line pl-3 [overflow-wrap:anywhere] whitespace-pre-wrap text-muted">
          {said.text}
        </p>
      );
    default:
      return <p className="[overflow-wrap:anywhere] whitespace-pre-wrap text-muted">{said.text}</p>;
  }
}

function Fixed({ children }: { children: ReactNode }) {
  return (
    <pre
      role="group"
      aria-label="Text"
      // What scrolls must be reachable by keyboard.
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      className="mt-2 max-h-64 overflow-auto rounded-lg border border-line bg-sunken px-3 py-2 font-mono text-xs leading-relaxed [overflow-wrap:anywhere] whitespace-pre-wrap"
    >
      {children}
    </pre>
  );
}
