// Asks before a desktop and its home are gone for good.
import { explain } from "../api/problem";
import type { Desktop } from "../api/types";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Notice } from "../ui/notice";
import { useDesktopVerb } from "./queries";

interface Props {
  desktop: Desktop;
  onClose: () => void;
  onDeleted?: () => void;
}

export function DeleteDesktop({ desktop, onClose, onDeleted = onClose }: Props) {
  const verb = useDesktopVerb(desktop.id);
  return (
    <Dialog alert title={`Delete ${desktop.name}?`} onClose={onClose}>
      <p className="mt-2 text-sm text-muted">
        The desktop and every file in its home are removed. This cannot be undone. To keep the files, stop it
        instead.
      </p>
      {verb.isError && (
        <Notice tone="bad" className="mt-4">
          {explain(verb.error)}
        </Notice>
      )}
      <div className="mt-6 flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          look="danger"
          busy={verb.isPending}
          onClick={() => verb.mutate("delete", { onSuccess: onDeleted })}
        >
          Delete desktop
        </Button>
      </div>
    </Dialog>
  );
}
