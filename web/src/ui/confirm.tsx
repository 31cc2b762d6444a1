// Asks before something is gone for good, and says why it is still there when that failed.
import type { ReactNode } from "react";
import { explain } from "../api/problem";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { Notice } from "./notice";

interface Props {
  title: string;
  /** What is done, on the button. */
  verb: string;
  doing: { isPending: boolean; error: Error | null };
  onConfirm: () => void;
  onClose: () => void;
  children: ReactNode;
}

export function Confirm({ title, verb, doing, onConfirm, onClose, children }: Props) {
  return (
    <Dialog alert title={title} onClose={onClose}>
      <p className="mt-2 text-sm text-muted">{children}</p>
      {doing.error && (
        <Notice tone="bad" className="mt-4">
          {explain(doing.error)}
        </Notice>
      )}
      <div className="mt-6 flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="danger" busy={doing.isPending} onClick={onConfirm}>
          {verb}
        </Button>
      </div>
    </Dialog>
  );
}
