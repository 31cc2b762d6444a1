// One MCP server: what it is, how it stands, what can be asked of it.
import { useEffect, useId, useRef, useState } from "react";
import { explain } from "../api/problem";
import type { McpServer, McpState, McpStatus, McpTransport } from "../api/types";
import { Button, IconButton } from "../ui/button";
import { ChevronIcon, PencilIcon, PlayIcon, PowerIcon, RestartIcon, TrashIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { dateTime } from "../ui/time";
import { DeleteServer } from "./delete";
import { ServerEditor } from "./editor";
import { summaryOf } from "./form";
import { Log } from "./log";
import { useStanding } from "./queries";
import { type Order, ordersFor, STATES, toolsInWords } from "./standing";
import { Tools } from "./tools";

export type Panel = "tools" | "log";

interface Props {
  desktopId: string;
  // Is the desktop there to tell of the server?
  ready: boolean;
  server: McpServer;
  open: Panel | undefined;
  onOpen: (panel: Panel | undefined) => void;
}

export function ServerCard({ desktopId, ready, server, open, onOpen }: Props) {
  const { name, transport } = server;
  // What cannot be read any more runs nowhere.
  const told = ready && !!transport;
  const { standing, order } = useStanding(desktopId, name, told);
  const [dialog, setDialog] = useState<"edit" | "delete">();
  const status = told ? standing.data : undefined;
  const orders = useFocusAfter(order.isPending);
  const problem = order.error ?? (told ? standing.error : null);
  return (
    <article
      aria-label={name}
      data-testid="mcp-server"
      data-state={status?.state}
      data-since={status?.since}
      className="appear overflow-hidden rounded-2xl border border-line bg-surface shadow-card"
    >
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2 p-4 sm:px-5">
        <h2 className="min-w-0 font-semibold [overflow-wrap:anywhere]">{name}</h2>
        {status && <StateBadge state={status.state} />}
        {/* Beside the name where there is room, else below all that is told. */}
        <div ref={orders} className="flex items-center gap-1.5 max-sm:order-1 max-sm:w-full sm:ml-auto">
          {status &&
            ordersFor(status.state).map((verb) => (
              <OrderButton
                key={verb}
                verb={verb}
                name={name}
                busy={order.isPending && order.variables === verb}
                onPress={() => order.mutate(verb)}
              />
            ))}
          <IconButton label={`Edit ${name}`} className="ml-auto" onClick={() => setDialog("edit")}>
            <PencilIcon />
          </IconButton>
          <IconButton label={`Delete ${name}`} onClick={() => setDialog("delete")}>
            <TrashIcon />
          </IconButton>
        </div>
        <div className="-mt-1 w-full">
          {transport && (
            <>
              <p className="line-clamp-3 font-mono text-sm [overflow-wrap:anywhere] text-muted">
                {summaryOf(transport)}
              </p>
              <p className="mt-1 text-sm text-faint">{about(transport, server.autostart, status)}</p>
            </>
          )}
          {!transport && (
            <Notice tone="bad" className="mt-2">
              What is stored of it cannot be read any more, so that it does not run: edit it to write it anew,
              or delete it.
            </Notice>
          )}
          {status?.reason && (
            <Notice tone={status.state === "failed" ? "bad" : "warn"} className="mt-3">
              {/* Its desktop tells it as a part of a sentence. */}
              <p className="whitespace-pre-wrap first-letter:uppercase">{status.reason}</p>
            </Notice>
          )}
          {problem && (
            <div data-testid="mcp-problem">
              <Notice tone="bad" className="mt-3">
                {order.error ? "" : "How it stands cannot be told. "}
                {explain(problem)}
              </Notice>
            </div>
          )}
        </div>
      </div>
      {status && <Panels desktopId={desktopId} status={status} open={open} onOpen={onOpen} />}
      {dialog === "edit" && (
        <ServerEditor desktopId={desktopId} server={server} onClose={() => setDialog(undefined)} />
      )}
      {dialog === "delete" && (
        <DeleteServer desktopId={desktopId} name={name} onClose={() => setDialog(undefined)} />
      )}
    </article>
  );
}

// Whoever gave an order by keyboard goes on from where they were: the button that they pressed may be gone.
function useFocusAfter(ordered: boolean) {
  const buttons = useRef<HTMLDivElement>(null);
  const was = useRef(false);
  useEffect(() => {
    if (was.current && !ordered && document.activeElement === document.body) {
      buttons.current?.querySelector("button")?.focus();
    }
    was.current = ordered;
  }, [ordered]);
  return buttons;
}

function about(transport: McpTransport, autostart: boolean, status: McpStatus | null | undefined): string {
  return [
    transport.type === "stdio" ? "A program on the desktop" : "Reached by HTTP",
    autostart ? "starts with the desktop" : "starts when you start it",
    ...(status?.state === "running" ? [toolsInWords(status.tools)] : []),
    ...(status ? [`${STATES[status.state].toLowerCase()} since ${dateTime(status.since)}`] : []),
  ].join(" · ");
}

const TONES: Record<McpState, { badge: string; dot: string }> = {
  running: { badge: "bg-good-soft text-good", dot: "bg-good" },
  starting: { badge: "bg-accent-soft text-accent", dot: "bg-accent animate-pulse" },
  stopping: { badge: "bg-accent-soft text-accent", dot: "bg-accent animate-pulse" },
  stopped: { badge: "bg-sunken text-muted", dot: "bg-faint" },
  failed: { badge: "bg-bad-soft text-bad", dot: "bg-bad" },
};

function StateBadge({ state }: { state: McpState }) {
  return (
    <span
      role="status"
      data-testid="mcp-state"
      data-state={state}
      className={`inline-flex h-6 shrink-0 items-center gap-1.5 rounded-full px-2.5 text-xs font-medium ${TONES[state].badge}`}
    >
      <span className={`size-1.5 rounded-full ${TONES[state].dot}`} aria-hidden="true" />
      {STATES[state]}
    </span>
  );
}

const VERBS: Record<Order, { word: string; icon: React.ReactNode }> = {
  start: { word: "Start", icon: <PlayIcon /> },
  stop: { word: "Stop", icon: <PowerIcon /> },
  restart: { word: "Restart", icon: <RestartIcon /> },
};

interface OrderButtonProps {
  verb: Order;
  name: string;
  busy: boolean;
  onPress: () => void;
}

function OrderButton({ verb, name, busy, onPress }: OrderButtonProps) {
  const { word, icon } = VERBS[verb];
  return (
    <Button size="small" icon={icon} busy={busy} aria-label={`${word} ${name}`} onClick={onPress}>
      {word}
    </Button>
  );
}

interface PanelsProps {
  desktopId: string;
  status: McpStatus;
  open: Panel | undefined;
  onOpen: Props["onOpen"];
}

function Panels({ desktopId, status, open, onOpen }: PanelsProps) {
  const id = useId();
  const toggle = (panel: Panel, word: string) => (
    <button
      type="button"
      aria-expanded={open === panel}
      aria-controls={open === panel ? id : undefined}
      className={`inline-flex items-center gap-1 rounded-lg px-2.5 py-1.5 text-sm font-medium transition-colors hover:bg-sunken hover:text-ink ${open === panel ? "bg-sunken text-ink" : "text-muted"}`}
      onClick={() => onOpen(open === panel ? undefined : panel)}
    >
      <ChevronIcon className={`size-3.5 transition-transform ${open === panel ? "rotate-90" : ""}`} />
      {word}
    </button>
  );
  return (
    <div className="border-t border-line">
      <div className="flex gap-1 px-2 py-1.5 sm:px-3">
        {toggle("tools", "Tools")}
        {toggle("log", "Log")}
      </div>
      {open && (
        <div id={id} className="border-t border-line p-4 sm:px-5">
          {open === "tools" && <Tools desktopId={desktopId} status={status} />}
          {open === "log" && <Log desktopId={desktopId} name={status.name} />}
        </div>
      )}
    </div>
  );
}
