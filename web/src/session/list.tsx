// All sessions of a desktop: searched, renamed, put away, exported, deleted.
import { type ReactNode, useState } from "react";
import { Link } from "react-router";
import { explain } from "../api/problem";
import type { Session } from "../api/types";
import { Button, IconButton } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { ArchiveIcon, DownloadIcon, PencilIcon, PlayIcon, SearchIcon, TrashIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { useSettled } from "../ui/settled";
import { Spinner } from "../ui/spinner";
import { day } from "../ui/time";
import { DeleteSession } from "./delete";
import { exportOf, replayOf, titleOf, useChangeSession, useFoundSessions } from "./queries";
import { RenameSession } from "./rename";
import { STATES } from "./state";

interface Props {
  desktopId: string;
  current: string | undefined;
  onPick: (id: string) => void;
  onGone: () => void;
  onClose: () => void;
}

export function SessionList({ desktopId, current, onPick, onGone, onClose }: Props) {
  const [search, setSearch] = useState("");
  const [archived, setArchived] = useState(false);
  const wanted = useSettled(search.trim());
  const found = useFoundSessions(desktopId, { search: wanted, archived });
  const sessions = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Dialog wide title="Sessions" onClose={onClose}>
      <div className="mt-4 flex flex-wrap items-center gap-x-4 gap-y-2.5">
        <div className="relative min-w-48 flex-1">
          <SearchIcon className="pointer-events-none absolute top-3 left-3 size-4 text-faint" />
          <input
            type="search"
            aria-label="Search the sessions"
            placeholder="Search by title"
            value={search}
            className="h-10 w-full rounded-lg border border-line-strong bg-raised pr-3 pl-9 outline-none focus-visible:border-accent focus-visible:ring-3 focus-visible:ring-accent/20"
            onChange={(event) => setSearch(event.target.value)}
          />
        </div>
        <label className="flex items-center gap-2 text-sm">
          <input
            type="checkbox"
            className="size-4 accent-accent"
            checked={archived}
            onChange={(event) => setArchived(event.target.checked)}
          />
          Archived
        </label>
      </div>
      <p role="status" className="sr-only">
        {found.isSuccess && !found.isPlaceholderData ? `${sessions.length} found` : ""}
      </p>
      <div className="mt-4 min-h-48">
        {found.isPending && (
          <div role="status" aria-label="Loading the sessions" className="grid h-48 place-items-center">
            <Spinner className="size-5 text-faint" />
          </div>
        )}
        {found.isError && <Notice tone="bad">{explain(found.error)}</Notice>}
        {found.isSuccess && sessions.length === 0 && (
          <p className="py-12 text-center text-sm text-muted">
            {wanted
              ? "No title contains that."
              : archived
                ? "Nothing is archived."
                : "There is no session yet."}
          </p>
        )}
        {sessions.length > 0 && (
          <ul role="list" className="divide-y divide-line">
            {sessions.map((session) => (
              <Row
                key={session.id}
                session={session}
                current={session.id === current}
                onPick={() => onPick(session.id)}
                onDeleted={() => {
                  if (session.id === current) onGone();
                }}
              />
            ))}
          </ul>
        )}
        {found.hasNextPage && (
          <div className="mt-3 text-center">
            <Button size="small" busy={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
              Show more
            </Button>
          </div>
        )}
      </div>
      <div className="mt-5 flex justify-end">
        <Button onClick={onClose}>Close</Button>
      </div>
    </Dialog>
  );
}

interface RowProps {
  session: Session;
  current: boolean;
  onPick: () => void;
  onDeleted: () => void;
}

function Row({ session, current, onPick, onDeleted }: RowProps) {
  const [open, setOpen] = useState<"rename" | "delete">();
  const change = useChangeSession(session);
  const title = titleOf(session);
  const close = () => setOpen(undefined);
  return (
    <li data-testid="session-row" className="py-2">
      <div className="flex items-center gap-x-2 max-sm:flex-wrap">
        <button
          type="button"
          aria-current={current || undefined}
          className="min-w-0 flex-1 rounded-lg px-2 py-1 text-left hover:bg-sunken max-sm:basis-full"
          onClick={onPick}
        >
          <span className={`block truncate text-sm ${current ? "font-semibold text-accent" : "font-medium"}`}>
            {title}
          </span>
          <span className="block text-xs text-faint">
            {day(session.created_at)} · {STATES[session.state]}
          </span>
        </button>
        <div className="flex max-sm:ml-auto">
          <IconButton label={`Rename ${title}`} onClick={() => setOpen("rename")}>
            <PencilIcon />
          </IconButton>
          <IconLink label={`Replay ${title}`} to={replayOf(session.id)}>
            <PlayIcon />
          </IconLink>
          <a
            href={exportOf(session.id)}
            download
            aria-label={`Export ${title}`}
            title={`Export ${title}`}
            className={ICON_LINK}
          >
            <DownloadIcon />
          </a>
          <IconButton
            label={`${session.archived ? "Unarchive" : "Archive"} ${title}`}
            busy={change.isPending}
            onClick={() => change.mutate({ archived: !session.archived })}
          >
            <ArchiveIcon />
          </IconButton>
          <IconButton label={`Delete ${title}`} onClick={() => setOpen("delete")}>
            <TrashIcon />
          </IconButton>
        </div>
      </div>
      {change.isError && (
        <Notice tone="bad" className="mt-1">
          {explain(change.error)}
        </Notice>
      )}
      {open === "rename" && <RenameSession session={session} onClose={close} />}
      {open === "delete" && <DeleteSession session={session} onClose={close} onDeleted={onDeleted} />}
    </li>
  );
}

const ICON_LINK =
  "inline-grid size-9 shrink-0 place-items-center rounded-lg text-muted transition-colors hover:bg-sunken hover:text-ink";

function IconLink({ label, to, children }: { label: string; to: string; children: ReactNode }) {
  return (
    <Link to={to} aria-label={label} title={label} className={ICON_LINK}>
      {children}
    </Link>
  );
}
