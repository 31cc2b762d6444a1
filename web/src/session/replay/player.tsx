// The player: a step's picture beside its words, and the controls below.
import { useEffect, useReducer, useState } from "react";
import { API } from "../../api/client";
import { Marked } from "../../chat/picture";
import { IconButton } from "../../ui/button";
import { Choice } from "../../ui/choice";
import { ChevronIcon, MonitorIcon, PauseIcon, PlayIcon } from "../../ui/icons";
import { type Playback, type Press, press, pressOf } from "./playback";
import { type Step, upcoming } from "./steps";
import { StepWords } from "./words";

interface Props {
  sessionId: string;
  steps: Step[];
}

const STEP_MS = 1_800;
const SPEEDS = [0.5, 1, 2, 4];
const AHEAD = 3;

export function Player({ sessionId, steps }: Props) {
  const [speed, setSpeed] = useState(1);
  const count = steps.length;
  const [{ index, playing }, move] = useReducer((at: Playback, what: Press) => press(at, what, count), {
    index: 0,
    playing: false,
  });
  const step = steps[Math.min(index, count - 1)];

  useEffect(() => {
    if (!playing) return;
    const timer = setTimeout(() => move("tick"), STEP_MS / speed);
    return () => clearTimeout(timer);
  }, [playing, index, speed]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
      const meant = pressOf(event.key, document.activeElement?.tagName ?? "");
      if (!meant) return;
      event.preventDefault();
      move(meant);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);

  usePreloaded(sessionId, steps, index);

  if (!step) return null;
  const title = step.action?.title ?? "What was said at the end";
  return (
    <>
      <div className="flex min-h-0 flex-1 flex-col lg:flex-row">
        <div className="grid min-h-0 min-w-0 place-items-center bg-sunken p-3 sm:p-5 lg:flex-1">
          <Screen sessionId={sessionId} step={step} alt={`The screen after: ${title}`} />
        </div>
        <section
          aria-label="Step"
          // Who steps by hand is told each step; a playing record would talk without end.
          aria-live={playing ? "off" : "polite"}
          className="min-h-0 overflow-y-auto border-line p-4 max-lg:flex-1 max-lg:border-t lg:w-96 lg:border-l"
        >
          <StepWords step={step} />
        </section>
      </div>
      <div className="sticky bottom-0 flex flex-wrap items-center gap-x-2 gap-y-1 border-t border-line bg-surface px-3 py-2">
        <div className="flex">
          <IconButton label="Previous step (←)" disabled={index === 0} onClick={() => move("previous")}>
            <ChevronIcon className="size-5 rotate-180" />
          </IconButton>
          <IconButton label={playing ? "Pause (space)" : "Play (space)"} onClick={() => move("toggle")}>
            {playing ? <PauseIcon className="size-5" /> : <PlayIcon className="size-5" />}
          </IconButton>
          <IconButton label="Next step (→)" disabled={index === count - 1} onClick={() => move("next")}>
            <ChevronIcon className="size-5" />
          </IconButton>
        </div>
        <input
          type="range"
          aria-label="Step"
          aria-valuetext={`Step ${index + 1} of ${count}: ${title}`}
          min={0}
          max={count - 1}
          value={index}
          className="h-9 min-w-24 flex-1 accent-accent max-sm:order-first max-sm:basis-full"
          onChange={(event) => move({ to: Number(event.target.value) })}
        />
        <p data-testid="replay-position" className="ml-auto text-sm text-muted tabular-nums">
          {index + 1} / {count}
        </p>
        <Choice
          bare
          label="Speed"
          className="w-20"
          value={speed}
          onChange={(event) => setSpeed(Number(event.target.value))}
        >
          {SPEEDS.map((value) => (
            <option key={value} value={value}>
              {value}×
            </option>
          ))}
        </Choice>
      </div>
    </>
  );
}

function Screen({ sessionId, step, alt }: { sessionId: string; step: Step; alt: string }) {
  if (!step.picture) {
    return (
      <p className="flex flex-col items-center gap-2 py-12 text-sm text-faint">
        <MonitorIcon className="size-9 opacity-50" /> No picture yet
      </p>
    );
  }
  const { width, height } = step.picture.size;
  return (
    <div
      data-testid="replay-picture"
      data-fresh={step.fresh}
      className={`overflow-hidden rounded-lg border border-line transition-opacity ${step.fresh ? "" : "opacity-60"}`}
      style={{ width: `min(100%, calc((100dvh - 11rem) * ${width / height}))` }}
    >
      <Marked sessionId={sessionId} picture={step.picture} mark={step.mark} alt={alt} />
    </div>
  );
}

// So that a step's picture is there when the step comes.
function usePreloaded(sessionId: string, steps: Step[], index: number) {
  useEffect(() => {
    for (const sha256 of upcoming(steps, index, AHEAD)) {
      new Image().src = `${API}/sessions/${sessionId}/pictures/${sha256}`;
    }
  }, [sessionId, steps, index]);
}
