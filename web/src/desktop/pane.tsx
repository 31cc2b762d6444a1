// The desktop's half of the split view: its screen, or what stands between it and one.
import { lazy, type ReactNode, type Ref, Suspense, useEffect, useState } from "react";
import { explain } from "../api/problem";
import type { Desktop } from "../api/types";
import { Button } from "../ui/button";
import { PlayIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { Spinner } from "../ui/spinner";
import type { Control } from "./control";
import { DriverBar } from "./driver";
import { DRIVES, mayUseDesktop } from "./driving";
import { Progress } from "./progress";
import { useDesktopVerb } from "./queries";
import type { ScreenHandle } from "./screen";
import { isStarting } from "./state";

const loadScreen = () => import("./screen");
const Screen = lazy(loadScreen);

interface Props {
  desktop: Desktop;
  control: Control;
  screen: Ref<ScreenHandle>;
}

export function DesktopPane({ desktop, control, screen }: Props) {
  if (desktop.state === "ready") return <Driven desktop={desktop} control={control} screen={screen} />;
  return (
    <Middle>
      {isStarting(desktop.state) ? <Starting desktop={desktop} /> : <Resting desktop={desktop} />}
    </Middle>
  );
}

function Driven({ desktop, control, screen }: Props) {
  const [refused, setRefused] = useState(0);
  const { who, failed } = control;
  // Without an answer the desktop itself decides what it takes.
  const viewOnly = who === undefined ? !failed : !mayUseDesktop(who);
  // A press of earlier says nothing once it would have counted.
  if (!viewOnly && refused > 0) setRefused(0);
  return (
    <div className="flex h-full flex-col">
      <DriverBar desktopId={desktop.id} control={control} />
      <div className="relative min-h-0 flex-1">
        <Suspense fallback={<Middle>{<Spinner className="size-5 text-faint" />}</Middle>}>
          <Screen
            key={desktop.id}
            desktop={desktop}
            viewOnly={viewOnly}
            onRefused={() => setRefused((times) => times + 1)}
            ref={screen}
          />
        </Suspense>
        {viewOnly && who && refused > 0 && (
          <Hint key={refused} onOver={() => setRefused(0)}>
            {DRIVES[who]}. Take control to use mouse and keyboard.
          </Hint>
        )}
      </div>
    </div>
  );
}

const HINT_MS = 4_000;

function Hint({ onOver, children }: { onOver: () => void; children: ReactNode }) {
  useEffect(() => {
    const timer = setTimeout(onOver, HINT_MS);
    return () => clearTimeout(timer);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the time runs from its first sight
  }, []);
  return (
    <div className="pointer-events-none absolute inset-x-0 bottom-4 z-10 flex justify-center px-4">
      <p
        data-testid="driver-hint"
        role="status"
        className="appear rounded-xl border border-line bg-raised px-3.5 py-2 text-sm text-ink shadow-card"
      >
        {children}
      </p>
    </div>
  );
}

function Middle({ children }: { children: ReactNode }) {
  return (
    <div className="absolute inset-0 overflow-y-auto bg-sunken">
      <div className="grid min-h-full place-items-center p-5">{children}</div>
    </div>
  );
}

function Starting({ desktop }: { desktop: Desktop }) {
  // So that the picture does not wait for the viewer once the desktop is there.
  useEffect(() => {
    loadScreen().catch(() => undefined);
  }, []);
  const again = desktop.state === "interrupted";
  return (
    <section
      aria-label="Starting"
      className="appear w-full max-w-80 rounded-2xl border border-line bg-surface p-6 shadow-card max-md:p-4"
    >
      <h2 className="mb-4 max-md:mb-3 font-semibold">
        {again ? "Moving to another machine" : "Getting your desktop ready"}
      </h2>
      <Progress desktop={desktop} wide />
      {desktop.reason && (
        <Notice tone="warn" className="mt-4">
          {desktop.reason}
        </Notice>
      )}
      <p className="mt-5 text-sm text-faint max-md:hidden">
        You can already write to the agent: it begins as soon as the desktop is ready.
      </p>
    </section>
  );
}

function Resting({ desktop }: { desktop: Desktop }) {
  const verb = useDesktopVerb(desktop.id);
  const { state } = desktop;
  if (state === "stopping" || state === "deleting") {
    return (
      <p className="flex items-center gap-2.5 text-muted" role="status">
        <Spinner /> {state === "stopping" ? "Stopping. Your files are kept." : "Deleting…"}
      </p>
    );
  }
  return (
    <section className="appear w-full max-w-96 text-center" aria-label="Not running">
      <h2 className="text-lg font-semibold">
        {state === "failed" ? "The desktop could not go on" : "The desktop is stopped"}
      </h2>
      {state === "failed" ? (
        <Notice tone="bad" className="mt-3 text-left">
          {desktop.reason ?? "No reason was given. Start it again, or delete it."}
        </Notice>
      ) : (
        <p className="mt-1.5 text-muted">
          Its files are kept. Start it, or write to the agent, to go on where you left off.
        </p>
      )}
      <Button
        look="primary"
        className="mt-5"
        icon={<PlayIcon />}
        busy={verb.isPending}
        onClick={() => verb.mutate("start")}
      >
        Start desktop
      </Button>
      {verb.isError && (
        <Notice tone="bad" className="mt-4 text-left">
          {explain(verb.error)}
        </Notice>
      )}
    </section>
  );
}
