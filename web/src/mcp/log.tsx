// A server's log, live: what it wrote to its standard error, and what its desktop says of its life.
import { useEffect, useState } from "react";
import { followWhileSeen } from "../api/follow";
import type { LinkStatus } from "../api/reconnect";
import { Button } from "../ui/button";
import { Notice } from "../ui/notice";
import { DownIcon } from "../ui/icons";
import { useStickToEnd } from "../ui/scroll";
import { secondOfDay } from "../ui/time";
import { TryingAgain } from "../ui/trying-again";
import { type Line, readLine, withLine } from "./log-lines";
import { logsOf } from "./queries";

interface Props {
  desktopId: string;
  name: string;
}

export function Log({ desktopId, name }: Props) {
  const { lines, link } = useLog(desktopId, name);
  const { box, away, onScroll, toEnd } = useStickToEnd(lines);
  return (
    <>
      {link.kind === "waiting" && (
        <Notice tone="warn" className="mb-3">
          {link.reason} <TryingAgain at={link.retryAt} />
        </Notice>
      )}
      <div className="relative">
        <div
          ref={box}
          role="log"
          aria-label={`Log of ${name}`}
          // Who listens rather than reads would hear nothing else.
          aria-live="off"
          data-testid="mcp-log"
          // What scrolls must be reachable by keyboard.
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          tabIndex={0}
          onScroll={onScroll}
          className="h-64 overflow-y-auto rounded-lg border border-line bg-sunken px-3 py-2 font-mono text-xs leading-relaxed"
        >
          <div>
            {lines.length === 0 && (
              <p className="text-faint">
                {link.kind === "open" ? "Nothing has been written yet." : "No lines yet."}
              </p>
            )}
            {lines.map(({ number, at, text }) => (
              <p key={number} className="flex gap-3">
                <time dateTime={new Date(at).toISOString()} className="shrink-0 text-faint tabular-nums">
                  {secondOfDay(at)}
                </time>
                <span className="min-w-0 [overflow-wrap:anywhere] whitespace-pre-wrap">{text}</span>
              </p>
            ))}
          </div>
        </div>
        {away && (
          <Button
            size="small"
            className="appear absolute right-3 bottom-3 shadow-card"
            icon={<DownIcon />}
            onClick={toEnd}
          >
            Newest lines
          </Button>
        )}
      </div>
    </>
  );
}

function useLog(desktopId: string, name: string): { lines: Line[]; link: LinkStatus } {
  const [lines, setLines] = useState<Line[]>([]);
  const [link, setLink] = useState<LinkStatus>({ kind: "connecting" });
  useEffect(
    () =>
      followWhileSeen({
        path: () => logsOf(desktopId, name),
        onData: (data) => {
          const line = readLine(data);
          if (line) setLines((known) => withLine(known, line));
        },
        onStatus: (status) => {
          setLink(status);
          // Every stream begins with the lines that were written before it.
          if (status.kind === "open") setLines([]);
        },
      }),
    [desktopId, name],
  );
  return { lines, link };
}
