// One desktop in the list: what it shows, how it is, what can be done with it.
import { useEffect, useState } from "react";
import { Link } from "react-router";
import { API } from "../api/client";
import { explain } from "../api/problem";
import type { Desktop } from "../api/types";
import { Button, IconButton } from "../ui/button";
import { MonitorIcon, PlayIcon, PowerIcon, TrashIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { day } from "../ui/time";
import { DeleteDesktop } from "./delete";
import { Progress } from "./progress";
import { useDesktopVerb } from "./queries";
import { DesktopStateBadge, isStarting, mayDelete, mayStart, mayStop } from "./state";

export function DesktopCard({ desktop }: { desktop: Desktop }) {
  const verb = useDesktopVerb(desktop.id);
  const [deleting, setDeleting] = useState(false);
  const { name, state } = desktop;
  return (
    <article
      aria-label={name}
      data-testid="desktop-card"
      data-state={state}
      className="appear flex flex-col overflow-hidden rounded-2xl border border-line bg-surface shadow-card"
    >
      <Link
        to={`/desktops/${desktop.id}`}
        aria-label={`Open ${name}`}
        className="group block focus-visible:-outline-offset-4"
      >
        <Preview desktop={desktop} />
      </Link>
      <div className="flex flex-1 flex-col gap-3 p-4">
        <div className="flex items-center justify-between gap-3">
          <h2 className="truncate font-semibold" title={name}>
            {name}
          </h2>
          <DesktopStateBadge state={state} />
        </div>
        {isStarting(state) && <Progress desktop={desktop} />}
        {desktop.reason && <Notice tone={state === "failed" ? "bad" : "warn"}>{desktop.reason}</Notice>}
        {verb.isError && <Notice tone="bad">{explain(verb.error)}</Notice>}
        <div className="mt-auto flex items-center gap-1">
          <p className="mr-auto text-sm text-faint">Created {day(desktop.created_at)}</p>
          {mayStart(desktop) && (
            <Button
              size="small"
              aria-label={`Start ${name}`}
              icon={<PlayIcon />}
              busy={verb.isPending}
              onClick={() => verb.mutate("start")}
            >
              Start
            </Button>
          )}
          {mayStop(desktop) && (
            <IconButton label={`Stop ${name}`} busy={verb.isPending} onClick={() => verb.mutate("stop")}>
              <PowerIcon />
            </IconButton>
          )}
          {mayDelete(desktop) && (
            <IconButton label={`Delete ${name}`} onClick={() => setDeleting(true)}>
              <TrashIcon />
            </IconButton>
          )}
        </div>
      </div>
      {deleting && <DeleteDesktop desktop={desktop} onClose={() => setDeleting(false)} />}
    </article>
  );
}

const REFRESH_MS = 20_000;

// What the screen showed a moment ago; a picture of a screen when there is none.
function Preview({ desktop }: { desktop: Desktop }) {
  const ready = desktop.state === "ready";
  const [round, setRound] = useState(0);
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (!ready) return;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") setRound((r) => r + 1);
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [ready]);
  return (
    <div
      className={`relative grid aspect-[16/10] place-items-center overflow-hidden border-b border-line bg-sunken text-faint ${ready ? "" : "max-sm:aspect-[16/5]"}`}
    >
      <MonitorIcon className="size-10 opacity-50 transition-transform group-hover:scale-105" />
      {ready && (
        <img
          src={`${API}/desktops/${desktop.id}/screenshot?at=${desktop.generation}.${round}`}
          alt=""
          className={`absolute inset-0 size-full object-cover transition-opacity ${shown ? "opacity-100" : "opacity-0"}`}
          onLoad={() => setShown(true)}
          onError={() => setShown(false)}
        />
      )}
    </div>
  );
}
