// Chooses which conversation of this desktop is shown.
import type { Session } from "../api/types";
import { IconButton } from "../ui/button";
import { PlusIcon } from "../ui/icons";
import { titleOf } from "./queries";

interface Props {
  sessions: Session[];
  // May be one that is not in the list, such as an archived one.
  current: Session | undefined;
  onPick: (id: string | undefined) => void;
}

const NEW = "new";

export function SessionPicker({ sessions, current, onPick }: Props) {
  const all = current && !sessions.some(({ id }) => id === current.id) ? [current, ...sessions] : sessions;
  return (
    <div className="flex min-w-0 flex-1 items-center gap-1">
      <div className="relative min-w-0 flex-1">
        <select
          aria-label="Session"
          value={current?.id ?? NEW}
          onChange={(event) => onPick(event.target.value === NEW ? undefined : event.target.value)}
          className="h-9 w-full appearance-none truncate rounded-lg bg-transparent pr-7 pl-2.5 text-sm font-medium transition-colors hover:bg-sunken"
        >
          {current === undefined && <option value={NEW}>New session</option>}
          {all.map((session) => (
            <option key={session.id} value={session.id}>
              {titleOf(session)}
              {session.archived && " (archived)"}
            </option>
          ))}
        </select>
        <svg
          viewBox="0 0 24 24"
          aria-hidden="true"
          className="pointer-events-none absolute top-2.5 right-2 size-4 text-faint"
          fill="none"
          stroke="currentColor"
          strokeWidth="2"
        >
          <path d="M8 10l4 4 4-4" />
        </svg>
      </div>
      <IconButton label="New session" onClick={() => onPick(undefined)} disabled={current === undefined}>
        <PlusIcon />
      </IconButton>
    </div>
  );
}
