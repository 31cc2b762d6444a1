// The MCP servers of a desktop: tools of others, which the agent may use besides its own.
import { useState } from "react";
import { Link, useParams } from "react-router";
import { explain } from "../api/problem";
import type { Desktop } from "../api/types";
import { useDesktop } from "../desktop/queries";
import { DesktopStateBadge } from "../desktop/state";
import { ServerEditor } from "../mcp/editor";
import { useServers } from "../mcp/queries";
import { type Panel, ServerCard } from "../mcp/server-card";
import { Button, buttonClass } from "../ui/button";
import { BackIcon, PlugIcon, PlusIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { Spinner } from "../ui/spinner";
import { useTitle } from "../ui/title";

export default function McpServersPage() {
  const { id = "" } = useParams();
  const desktop = useDesktop(id);
  useTitle(desktop.data ? `MCP servers of ${desktop.data.name}` : "MCP servers");
  if (desktop.data) return <Servers key={id} desktop={desktop.data} />;
  if (desktop.isPending) return <Loading />;
  if (desktop.isError) return <Failed error={desktop.error} onRetry={() => void desktop.refetch()} />;
  return (
    <div className="py-12 text-center">
      <h1 className="text-lg font-semibold">There is no such desktop</h1>
      <p className="mt-1 text-muted">It was deleted, or it belongs to somebody else.</p>
      <Link to="/desktops" className={`mt-5 ${buttonClass("primary")}`}>
        To your desktops
      </Link>
    </div>
  );
}

function Servers({ desktop }: { desktop: Desktop }) {
  const servers = useServers(desktop.id);
  const [adding, setAdding] = useState(false);
  // One at a time: a log holds one of the few connections that a browser has to one server.
  const [open, setOpen] = useState<{ name: string; panel: Panel }>();
  const ready = desktop.state === "ready";
  return (
    <div className="max-w-3xl">
      <div className="mb-3 flex items-center gap-3">
        <Link
          to={`/desktops/${desktop.id}`}
          className="-ml-2 inline-flex min-w-0 items-center gap-1.5 rounded-lg px-2 py-1 text-sm text-muted hover:bg-sunken hover:text-ink"
        >
          <BackIcon /> <span className="truncate">{desktop.name}</span>
        </Link>
        <DesktopStateBadge state={desktop.state} />
      </div>
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-3">
        <h1 className="text-2xl font-semibold tracking-tight">MCP servers</h1>
        {servers.data && servers.data.length > 0 && (
          <Button look="primary" icon={<PlusIcon />} onClick={() => setAdding(true)}>
            Add server
          </Button>
        )}
      </div>
      <p className="mt-1.5 mb-6 text-muted">
        Their tools are there for the agent on this desktop, besides its own. What a server says of its tools
        is not trusted: in a session that asks &ldquo;Before risky actions&rdquo;, each call of one asks.
      </p>
      {servers.isPending && <Loading />}
      {servers.isError && !servers.data && (
        <Failed error={servers.error} onRetry={() => void servers.refetch()} />
      )}
      {servers.data?.length === 0 && <None onAdd={() => setAdding(true)} />}
      {servers.data && servers.data.length > 0 && (
        <>
          {!ready && (
            <Notice className="mb-4">
              Servers run on the desktop, and start with it. Until it is ready they can be added and changed.
            </Notice>
          )}
          <div className="space-y-4">
            {servers.data.map((server) => (
              <ServerCard
                key={server.name}
                desktopId={desktop.id}
                ready={ready}
                server={server}
                open={open?.name === server.name ? open.panel : undefined}
                onOpen={(panel) => setOpen(panel && { name: server.name, panel })}
              />
            ))}
          </div>
        </>
      )}
      {adding && <ServerEditor desktopId={desktop.id} onClose={() => setAdding(false)} />}
    </div>
  );
}

function None({ onAdd }: { onAdd: () => void }) {
  return (
    <div className="rounded-2xl border border-dashed border-line-strong px-6 py-12 text-center">
      <PlugIcon className="mx-auto size-8 text-faint" />
      <h2 className="mt-3 text-lg font-semibold">No MCP servers yet</h2>
      <p className="mx-auto mt-1 max-w-md text-muted">
        Add one to give the agent tools of others: an issue tracker, a database, a folder of notes.
      </p>
      <Button look="primary" icon={<PlusIcon />} className="mt-5" onClick={onAdd}>
        Add server
      </Button>
    </div>
  );
}

function Loading() {
  return (
    <div role="status" aria-label="Loading" className="grid place-items-center py-12">
      <Spinner className="size-6 text-faint" />
    </div>
  );
}

function Failed({ error, onRetry }: { error: Error; onRetry: () => void }) {
  return (
    <div className="max-w-xl">
      <Notice tone="bad">{explain(error)}</Notice>
      <Button className="mt-4" onClick={onRetry}>
        Try again
      </Button>
    </div>
  );
}
