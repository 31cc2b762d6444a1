// Asks before a session and its whole record are gone for good.
import type { Session } from "../api/types";
import { Confirm } from "../ui/confirm";
import { titleOf, useDeleteSession } from "./queries";

interface Props {
  session: Session;
  onClose: () => void;
  onDeleted?: () => void;
}

export function DeleteSession({ session, onClose, onDeleted = onClose }: Props) {
  const remove = useDeleteSession(session);
  return (
    <Confirm
      title={`Delete “${titleOf(session)}”?`}
      verb="Delete session"
      doing={remove}
      // What asked may be gone with the session by the time the answer comes.
      onConfirm={() => void remove.mutateAsync().then(onDeleted, () => undefined)}
      onClose={onClose}
    >
      Its messages, actions and pictures are removed. This cannot be undone. To keep them out of sight,
      archive it instead. The desktop and its files stay as they are.
    </Confirm>
  );
}
