// Asks before a session and its whole record are gone for good.
import { explain } from "../api/problem";
import type { Session } from "../api/types";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Notice } from "../ui/notice";
import { titleOf, useDeleteSession } from "./queries";

interface Props {
  session: Session;
  onClose: () => void;
  onDeleted?: () => void;
}

export function DeleteSession({ session, onClose, onDeleted = onClose }: Props) {
  const remove = useDeleteSession(session);
  return (
    <Dialog alert title={`Delete “${titleOf(session)}”?`} onClose={onClose}>
      <p className="mt-2 text-sm text-muted">
        Its messages, actions and pictures are removed. This cannot be undone. To keep them out of sight,
        archive it instead. The desktop and its files stay as they are.
      </p>
      {remove.isError && (
        <Notice tone="bad" className="mt-4">
          {explain(remove.error)}
        </Notice>
      )}
      <div className="mt-6 flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          look="danger"
          busy={remove.isPending}
          // What asked may be gone with the session by the time the answer comes.
          onClick={() => void remove.mutateAsync().then(onDeleted, () => undefined)}
        >
          Delete session
        </Button>
      </div>
    </Dialog>
  );
}
