// How far a desktop has come on its way to ready.
import type { Desktop, DesktopState } from "../api/types";
import { CheckIcon } from "../ui/icons";
import { Spinner } from "../ui/spinner";
import { elapsed, useNow } from "../ui/time";

const STEPS: { state: DesktopState; word: string }[] = [
  { state: "requested", word: "Requested" },
  { state: "launching", word: "Launching" },
  { state: "booting", word: "Booting" },
  { state: "ready", word: "Ready" },
];

export function Progress({ desktop, wide = false }: { desktop: Desktop; wide?: boolean }) {
  const now = useNow();
  // An interrupted desktop is about to be launched again.
  const state = desktop.state === "interrupted" ? "requested" : desktop.state;
  const present = STEPS.findIndex((step) => step.state === state);
  return (
    <ol role="list" aria-label="Progress" className={wide ? "space-y-3 max-md:space-y-1.5" : "flex gap-1.5"}>
      {STEPS.map(({ state: step, word }, index) => {
        const done = index < present;
        const current = index === present;
        const time = current ? elapsed(now - desktop.state_since) : undefined;
        return (
          <li
            key={step}
            aria-current={current ? "step" : undefined}
            className={
              wide
                ? `flex items-center gap-3 ${current ? "font-medium" : "text-faint"}`
                : `min-w-0 flex-1 text-xs ${current ? "font-medium text-ink" : "text-faint"}`
            }
          >
            {wide ? (
              <>
                <span
                  className={`grid size-6 place-items-center rounded-full ${done ? "bg-good-soft text-good" : current ? "bg-accent-soft text-accent" : "bg-sunken"}`}
                >
                  {done ? (
                    <CheckIcon className="size-3.5" />
                  ) : current ? (
                    <Spinner className="size-3.5" />
                  ) : null}
                </span>
                {word}
                {time && <span className="ml-auto text-sm font-normal text-muted tabular-nums">{time}</span>}
              </>
            ) : (
              <>
                <span
                  className={`mb-1.5 block h-1 rounded-full ${done ? "bg-good" : current ? "animate-pulse bg-accent" : "bg-line"}`}
                  aria-hidden="true"
                />
                <span className="block truncate">{word}</span>
                {time && <span className="block font-normal text-muted tabular-nums">{time}</span>}
              </>
            )}
          </li>
        );
      })}
    </ol>
  );
}
