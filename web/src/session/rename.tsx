// Gives a session another name.
import { type FormEvent, useState } from "react";
import { explain } from "../api/problem";
import type { Session } from "../api/types";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Field } from "../ui/field";
import { Notice } from "../ui/notice";
import { useChangeSession } from "./queries";

interface Props {
  session: Session;
  onClose: () => void;
}

export function RenameSession({ session, onClose }: Props) {
  const [title, setTitle] = useState(session.title);
  const change = useChangeSession(session);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const given = title.trim();
    if (given) change.mutate({ title: given }, { onSuccess: onClose });
  };
  return (
    <Dialog title="Rename the session" onClose={onClose}>
      <form className="mt-4" onSubmit={submit}>
        <Field
          label="Title"
          value={title}
          maxLength={200}
          autoComplete="off"
          onChange={(event) => setTitle(event.target.value)}
        />
        {change.isError && (
          <Notice tone="bad" className="mt-4">
            {explain(change.error)}
          </Notice>
        )}
        <div className="mt-6 flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" busy={change.isPending} disabled={title.trim() === ""}>
            Rename
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
