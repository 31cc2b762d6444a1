// A desktop's state in words and colour.
import type { Desktop, DesktopState } from "../api/types";

type Tone = "good" | "busy" | "calm" | "bad";

const STATES: Record<DesktopState, { word: string; tone: Tone }> = {
  requested: { word: "Requested", tone: "busy" },
  launching: { word: "Launching", tone: "busy" },
  booting: { word: "Booting", tone: "busy" },
  ready: { word: "Ready", tone: "good" },
  stopping: { word: "Stopping", tone: "busy" },
  stopped: { word: "Stopped", tone: "calm" },
  interrupted: { word: "Interrupted", tone: "busy" },
  failed: { word: "Failed", tone: "bad" },
  deleting: { word: "Deleting", tone: "busy" },
  deleted: { word: "Deleted", tone: "calm" },
};

const TONES: Record<Tone, { badge: string; dot: string }> = {
  good: { badge: "bg-good-soft text-good", dot: "bg-good" },
  busy: { badge: "bg-accent-soft text-accent", dot: "bg-accent animate-pulse" },
  calm: { badge: "bg-sunken text-muted", dot: "bg-faint" },
  bad: { badge: "bg-bad-soft text-bad", dot: "bg-bad" },
};

export function DesktopStateBadge({ state }: { state: DesktopState }) {
  const { word, tone } = STATES[state];
  return (
    <span
      data-testid="desktop-state"
      data-state={state}
      className={`inline-flex h-6 shrink-0 items-center gap-1.5 rounded-full px-2.5 text-xs font-medium ${TONES[tone].badge}`}
    >
      <span className={`size-1.5 rounded-full ${TONES[tone].dot}`} aria-hidden="true" />
      {word}
    </span>
  );
}

export function isStarting(state: DesktopState): boolean {
  return state === "requested" || state === "launching" || state === "booting" || state === "interrupted";
}

export function mayStart(desktop: Desktop): boolean {
  return desktop.state === "stopped" || desktop.state === "failed";
}

export function mayStop(desktop: Desktop): boolean {
  return desktop.state === "ready" || isStarting(desktop.state);
}

export function mayDelete(desktop: Desktop): boolean {
  return desktop.state !== "deleting" && desktop.state !== "deleted";
}
