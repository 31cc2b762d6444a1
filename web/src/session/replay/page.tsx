// Plays a session back from its record, without its model and its desktop.
import { useMemo } from "react";
import { Link, useParams } from "react-router";
import { explain } from "../../api/problem";
import { Button, buttonClass } from "../../ui/button";
import { BackIcon } from "../../ui/icons";
import { Notice } from "../../ui/notice";
import { Spinner } from "../../ui/spinner";
import { day } from "../../ui/time";
import { useTitle } from "../../ui/title";
import { titleOf, useSession } from "../queries";
import { Player } from "./player";
import { useRecord } from "./record";
import { steps } from "./steps";

export default function ReplayPage() {
  const { id = "" } = useParams();
  const session = useSession(id);
  const record = useRecord(id);
  const played = useMemo(() => steps(record.data ?? []), [record.data]);
  const title = session.data ? titleOf(session.data) : "Session";
  useTitle(`Replay of ${title}`);
  const failed = record.error ?? session.error;
  const back = session.data ? `/desktops/${session.data.desktop_id}?session=${id}` : "/desktops";
  return (
    <div className="flex min-h-dvh flex-col lg:h-dvh">
      <header className="flex h-13 shrink-0 items-center gap-1 border-b border-line bg-surface px-2 sm:px-3">
        <Link
          to={back}
          aria-label="Back to the session"
          title="Back to the session"
          className="inline-grid size-9 shrink-0 place-items-center rounded-lg text-muted hover:bg-sunken hover:text-ink"
        >
          <BackIcon className="size-5" />
        </Link>
        <h1 className="min-w-0 truncate font-semibold" title={title}>
          <span className="text-muted">Replay:</span> {title}
        </h1>
        {session.data && (
          <p className="ml-auto px-2 text-sm whitespace-nowrap text-faint max-sm:hidden">
            {day(session.data.created_at)}
          </p>
        )}
      </header>
      <main className="flex min-h-0 flex-1 flex-col">
        {failed ? (
          <div className="m-auto max-w-sm p-6">
            <Notice tone="bad">{explain(failed)}</Notice>
            <Button
              className="mt-4"
              onClick={() => {
                void record.refetch();
                void session.refetch();
              }}
            >
              Try again
            </Button>
          </div>
        ) : record.isPending ? (
          <div role="status" aria-label="Loading the record" className="m-auto p-6">
            <Spinner className="size-6 text-faint" />
          </div>
        ) : played.length === 0 ? (
          <div className="m-auto p-6 text-center">
            <h2 className="text-lg font-semibold">Nothing has happened yet</h2>
            <p className="mt-1 text-muted">The record of this session is empty.</p>
            <Link to={back} className={`mt-5 ${buttonClass("primary")}`}>
              Back to the session
            </Link>
          </div>
        ) : (
          <Player sessionId={id} steps={played} />
        )}
      </main>
    </div>
  );
}
