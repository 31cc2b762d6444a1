// Asks before a server is taken away from its desktop.
import { Confirm } from "../ui/confirm";
import { useDeleteServer } from "./queries";

interface Props {
  desktopId: string;
  name: string;
  onClose: () => void;
}

export function DeleteServer({ desktopId, name, onClose }: Props) {
  const remove = useDeleteServer(desktopId);
  return (
    <Confirm
      title={`Delete ${name}?`}
      verb="Delete server"
      doing={remove}
      onConfirm={() => remove.mutate(name, { onSuccess: onClose })}
      onClose={onClose}
    >
      It is ended, the agent has its tools no more, and what is stored of it is gone for good.
    </Confirm>
  );
}
