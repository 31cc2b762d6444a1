// Asks for a name and creates a desktop.
import { type FormEvent, useEffect, useState } from "react";
import { useNavigate } from "react-router";
import { explain } from "../api/problem";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Field } from "../ui/field";
import { Notice } from "../ui/notice";
import { useCreateDesktop } from "./queries";

export function CreateDesktop({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  // One key for one intention: pressing twice, or again after a lost answer, makes one desktop.
  const [key, setKey] = useState(() => crypto.randomUUID());
  const create = useCreateDesktop();
  const navigate = useNavigate();

  // So that the way to the new desktop does not wait for its page.
  useEffect(() => {
    import("../pages/desktop").catch(() => undefined);
  }, []);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(
      { name: name.trim(), key },
      {
        onSuccess: (desktop) => {
          onClose();
          void navigate(`/desktops/${desktop.id}`);
        },
      },
    );
  };

  return (
    <Dialog title="New desktop" onClose={onClose}>
      <form className="mt-4" onSubmit={submit}>
        <Field
          label="Name"
          value={name}
          maxLength={100}
          placeholder="Leave empty for a name of ours"
          autoComplete="off"
          onChange={(event) => {
            setName(event.target.value);
            setKey(crypto.randomUUID());
          }}
        />
        {create.isError && (
          <Notice tone="bad" className="mt-4">
            {explain(create.error)}
          </Notice>
        )}
        <div className="mt-6 flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" busy={create.isPending}>
            Create desktop
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
