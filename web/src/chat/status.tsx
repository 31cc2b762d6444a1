// Lines above the field: how the session stands, and whether the page is in touch with it.
import type { LinkStatus } from "../api/reconnect";
import type { Desktop, SessionState } from "../api/types";
import type { Driving } from "../desktop/driving";
import { Spinner } from "../ui/spinner";
import { TryingAgain } from "../ui/trying-again";

interface SessionLineProps {
  state: SessionState;
  reason: string | undefined;
  desktop: Desktop;
  who: Driving | undefined;
  // What the session has used.
  spent: string[];
  // Leads to the approval that waits.
  onShowApproval: (() => void) | undefined;
}

export function SessionLine({ state, reason, desktop, who, spent, onShowApproval }: SessionLineProps) {
  const text = words(state, desktop, who);
  const busy = state === "running" || state === "queued" || state === "waiting_control";
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-0.5 px-1 text-xs text-muted">
      <p
        data-testid="session-state"
        data-state={state}
        role="status"
        className={text ? "flex items-center gap-2" : "sr-only"}
      >
        {busy && <Spinner className="size-3 text-accent" />}
        <span className="min-w-0 [overflow-wrap:anywhere]">
          {text || "Ready for a message"}
          {text && reason && state !== "failed" ? `: ${reason}` : ""}
        </span>
      </p>
      {onShowApproval && (
        <button type="button" className="font-medium text-accent hover:underline" onClick={onShowApproval}>
          Show the action
        </button>
      )}
      {spent.length > 0 && (
        <p data-testid="session-spent" className="ml-auto text-faint tabular-nums">
          <span className="sr-only">Used by this session: </span>
          {spent.join(" · ")}
        </p>
      )}
    </div>
  );
}

function words(state: SessionState, desktop: Desktop, who: Driving | undefined): string {
  switch (state) {
    case "idle":
    case "cancelled":
      return "";
    case "queued":
      return desktop.state === "ready"
        ? "Queued: the desktop is busy with another session"
        : "Queued until the desktop is ready";
    case "running":
      return "Working";
    case "waiting_approval":
      return "Waiting for your word";
    case "paused":
      return who === "you" ? "Paused while you drive" : "Paused while a person drives";
    case "waiting_control":
      return "Waiting until CloudBot can keep the record";
    case "failed":
      return "The last turn failed. Your next message tries again";
  }
}

export function LinkLine({ link, onRetry }: { link: LinkStatus; onRetry: () => void }) {
  if (link.kind !== "waiting") return null;
  return (
    <p
      role="status"
      className="flex flex-wrap items-center gap-x-2 rounded-lg bg-warn-soft px-3 py-1.5 text-xs text-ink"
    >
      <span>
        {link.reason} <TryingAgain key={link.retryAt} at={link.retryAt} />
      </span>
      <button type="button" className="font-medium text-warn underline" onClick={onRetry}>
        Try now
      </button>
    </p>
  );
}
