// One use of a tool: what it does in words, how it went, and what the screen showed afterwards.
import type { ReactNode } from "react";
import type { ResultBlock } from "../api/types";
import {
  CheckIcon,
  ClockIcon,
  CrossIcon,
  EyeIcon,
  FileIcon,
  KeyboardIcon,
  PointerIcon,
  TerminalIcon,
  ToolIcon,
} from "../ui/icons";
import { Spinner } from "../ui/spinner";
import { duration } from "../ui/time";
import { describe } from "./describe";
import { type Kind, kindOf, speaks } from "./kind";
import { Screenshot } from "./picture";
import type { ToolStatus, ToolUse } from "./timeline";

interface Props {
  sessionId: string;
  use: ToolUse;
}

export function ToolCard({ sessionId, use }: Props) {
  const what = describe(use.name, use.input);
  const { result, status } = use;
  const output = textOf(result?.content);
  const image = result?.content.find((block) => block.type === "image");
  const picture = result?.trace?.picture ?? image?.picture;
  const mark = result?.trace?.picture ? (result.trace.mark ?? undefined) : undefined;
  return (
    <div
      data-testid="tool-card"
      data-tool={what.tool}
      data-status={status}
      className="overflow-hidden rounded-xl border border-line bg-surface text-sm"
    >
      <div className="flex min-h-10 items-center gap-2.5 px-3 py-2">
        <span className={status === "error" ? "text-bad" : "text-accent"}>{ICONS[kindOf(what.tool)]}</span>
        <p className="min-w-0 flex-1 font-medium [overflow-wrap:anywhere]">{what.title}</p>
        {result && result.trace && result.trace.took_ms > 0 && (
          <span className="text-xs text-faint tabular-nums">{duration(result.trace.took_ms)}</span>
        )}
        <Status status={status} />
      </div>
      {what.code && <Code text={what.code} testId="tool-code" />}
      {status === "error" && (
        <p
          role="note"
          className="border-t border-line bg-bad-soft px-3 py-2 [overflow-wrap:anywhere] whitespace-pre-wrap"
        >
          {output || "It failed without saying why."}
        </p>
      )}
      {status === "done" && output && speaks(what) && <Code text={output} testId="tool-output" output />}
      {picture && (
        <div className="border-t border-line p-2">
          <Screenshot
            sessionId={sessionId}
            picture={picture}
            mark={mark}
            alt={`The screen after: ${what.title}`}
          />
        </div>
      )}
    </div>
  );
}

function Status({ status }: { status: ToolStatus }) {
  switch (status) {
    case "running":
      return (
        <span className="flex items-center gap-1.5 text-xs text-accent" role="status">
          Running <Spinner className="size-3.5" />
        </span>
      );
    case "waiting":
      return <span className="text-xs text-faint">Waiting</span>;
    case "unknown":
      return <span className="text-xs text-warn">Not finished</span>;
    case "done":
      return (
        <span title="Done" className="text-good">
          <CheckIcon className="size-4" />
          <span className="sr-only">Done</span>
        </span>
      );
    case "error":
      return (
        <span title="Failed" className="text-bad">
          <CrossIcon className="size-4" />
          <span className="sr-only">Failed</span>
        </span>
      );
  }
}

const LONG_LINES = 9;

// A long text shows its beginning, or its end when it is what a command printed.
function Code({ text, testId, output = false }: { text: string; testId: string; output?: boolean }) {
  const lines = text.replace(/\n+$/, "").split("\n");
  const look = "px-3 py-2 font-mono text-xs leading-relaxed whitespace-pre-wrap [overflow-wrap:anywhere]";
  const frame = `border-t border-line ${output ? "bg-sunken text-muted" : "bg-sunken/60"}`;
  if (lines.length <= LONG_LINES) {
    return (
      <pre data-testid={testId} className={`${frame} ${look}`}>
        {lines.join("\n")}
      </pre>
    );
  }
  const short = output ? lines.slice(-4) : lines.slice(0, 4);
  return (
    <details className={`group ${frame}`} data-testid={testId}>
      <summary className="list-none [&::-webkit-details-marker]:hidden">
        <pre className={`${look} group-open:hidden`}>{short.join("\n")}</pre>
        <span className="block px-3 pb-2 text-xs font-medium text-accent group-open:pt-2 group-open:pb-0">
          <span className="group-open:hidden">Show all {lines.length} lines</span>
          <span className="hidden group-open:inline">Show less</span>
        </span>
      </summary>
      <pre className={`${look} max-h-96 overflow-y-auto`}>{lines.join("\n")}</pre>
    </details>
  );
}

const ICONS: Record<Kind, ReactNode> = {
  pointer: <PointerIcon />,
  keyboard: <KeyboardIcon />,
  eye: <EyeIcon />,
  clock: <ClockIcon />,
  terminal: <TerminalIcon />,
  file: <FileIcon />,
  other: <ToolIcon />,
};

function textOf(content: ResultBlock[] | undefined): string {
  return (content ?? [])
    .flatMap((block) => (block.type === "text" ? [block.text] : []))
    .join("\n")
    .trim();
}
