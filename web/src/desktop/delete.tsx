// Asks before a desktop and its home are gone for good.
import type { Desktop } from "../api/types";
import { Confirm } from "../ui/confirm";
import { useDesktopVerb } from "./queries";

interface Props {
  desktop: Desktop;
  onClose: () => void;
  onDeleted?: () => void;
}

export function DeleteDesktop({ desktop, onClose, onDeleted = onClose }: Props) {
  const verb = useDesktopVerb(desktop.id);
  return (
    <Confirm
      title={`Delete ${desktop.name}?`}
      verb="Delete desktop"
      doing={verb}
      onConfirm={() => verb.mutate("delete", { onSuccess: onDeleted })}
      onClose={onClose}
    >
      The desktop and every file in its home are removed. This cannot be undone. To keep the files, stop it
      instead.
    </Confirm>
  );
}
