// A person drove and handed control back: with what word, and what the agent was shown.
import { useMe } from "../api/account";
import { HandIcon } from "../ui/icons";
import { clockTime } from "../ui/time";
import { Screenshot } from "./picture";
import type { Entry } from "./timeline";

interface Props {
  entry: Extract<Entry, { kind: "handed_back" }>;
  sessionId: string;
}

export function HandedBack({ entry, sessionId }: Props) {
  const me = useMe().data?.id;
  const { note, picture } = entry;
  return (
    <div
      data-testid="handed-back"
      className="overflow-hidden rounded-xl border border-line bg-surface text-sm"
    >
      <p className="flex min-h-10 items-center gap-2.5 px-3 py-2">
        <HandIcon className="size-4 text-good" />
        <span className="min-w-0 flex-1 font-medium">
          {entry.userId === me ? "You drove" : "Somebody else drove"} and handed control back
        </span>
        <span className="text-xs text-faint">{clockTime(entry.at)}</span>
      </p>
      {note && (
        <p className="border-t border-line px-3 py-2 [overflow-wrap:anywhere] whitespace-pre-wrap">{note}</p>
      )}
      {picture ? (
        <div className="border-t border-line p-2">
          <Screenshot
            sessionId={sessionId}
            picture={picture}
            mark={undefined}
            alt="The screen, as it was handed back"
          />
        </div>
      ) : (
        <p className="border-t border-line px-3 py-2 text-muted">The agent was shown no picture.</p>
      )}
    </div>
  );
}
