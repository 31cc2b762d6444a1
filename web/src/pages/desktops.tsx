// The list of a person's desktops.
import { useState } from "react";
import { explain } from "../api/problem";
import { DesktopCard } from "../desktop/card";
import { CreateDesktop } from "../desktop/create";
import { useDesktops } from "../desktop/queries";
import { Button } from "../ui/button";
import { MonitorIcon, PlusIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { useTitle } from "../ui/title";

export function DesktopsPage() {
  useTitle("Desktops");
  const desktops = useDesktops();
  const [creating, setCreating] = useState(false);
  const sorted = desktops.data?.toSorted((a, b) => a.created_at - b.created_at);
  const create = (
    <Button look="primary" icon={<PlusIcon />} onClick={() => setCreating(true)}>
      New desktop
    </Button>
  );
  return (
    <>
      <div className="mb-6 flex min-h-10 items-center justify-between gap-4">
        <h1 className="text-2xl font-semibold tracking-tight">Desktops</h1>
        {sorted && sorted.length > 0 && create}
      </div>

      {desktops.isError && (
        <Notice tone="bad" className="mb-6">
          {explain(desktops.error)}{" "}
          <button type="button" className="font-medium underline" onClick={() => void desktops.refetch()}>
            Try again
          </button>
        </Notice>
      )}
      {desktops.isPending && <Placeholders />}
      {sorted?.length === 0 && (
        <section className="appear grid place-items-center rounded-2xl border border-dashed border-line-strong px-6 py-16 text-center">
          <span className="grid size-14 place-items-center rounded-2xl bg-accent-soft text-accent">
            <MonitorIcon className="size-7" />
          </span>
          <h2 className="mt-5 text-lg font-semibold">No desktop yet</h2>
          <p className="mt-1.5 mb-6 max-w-sm text-muted">
            A desktop is a machine of its own, with a browser, a terminal and a home that stays. You and the
            agent share its screen.
          </p>
          {create}
        </section>
      )}
      {sorted && sorted.length > 0 && (
        <div className="grid gap-5 sm:grid-cols-2 lg:grid-cols-3">
          {sorted.map((desktop) => (
            <DesktopCard key={desktop.id} desktop={desktop} />
          ))}
        </div>
      )}
      {creating && <CreateDesktop onClose={() => setCreating(false)} />}
    </>
  );
}

function Placeholders() {
  return (
    <div role="status" aria-label="Loading desktops" className="grid gap-5 sm:grid-cols-2 lg:grid-cols-3">
      {[0, 1].map((n) => (
        <div key={n} className="h-80 animate-pulse rounded-2xl bg-sunken" />
      ))}
    </div>
  );
}
