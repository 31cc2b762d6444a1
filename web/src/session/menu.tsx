// What can be done with the session that is shown, and the way to all the others.
import { useState } from "react";
import { explain } from "../api/problem";
import type { Session } from "../api/types";
import {
  ArchiveIcon,
  DownloadIcon,
  ListIcon,
  MoreIcon,
  PencilIcon,
  PlayIcon,
  SlidersIcon,
  TrashIcon,
} from "../ui/icons";
import { Menu, MenuDownload, MenuItem, MenuLink } from "../ui/menu";
import { Notice } from "../ui/notice";
import { DeleteSession } from "./delete";
import { SessionList } from "./list";
import { exportOf, replayOf, useChangeSession } from "./queries";
import { RenameSession } from "./rename";
import { SessionSettingsDialog } from "./settings";

interface Props {
  desktopId: string;
  session: Session | undefined;
  onPick: (id: string) => void;
  // The session that was shown is not there any more.
  onGone: () => void;
}

type Open = "list" | "settings" | "rename" | "delete";

export function SessionMenu({ desktopId, session, onPick, onGone }: Props) {
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  return (
    <>
      <Menu label="Session menu" className="rounded-lg" button={<MoreIcon />}>
        {session && (
          <>
            <MenuItem onSelect={() => setOpen("settings")}>
              <SlidersIcon /> Session settings
            </MenuItem>
            <MenuItem onSelect={() => setOpen("rename")}>
              <PencilIcon /> Rename
            </MenuItem>
            <MenuLink to={replayOf(session.id)}>
              <PlayIcon /> Replay
            </MenuLink>
            <MenuDownload href={exportOf(session.id)}>
              <DownloadIcon /> Export
            </MenuDownload>
            <Archive session={session} />
            <MenuItem className="text-bad" onSelect={() => setOpen("delete")}>
              <TrashIcon /> Delete
            </MenuItem>
            <hr className="mx-1 my-1.5 border-line" />
          </>
        )}
        <MenuItem onSelect={() => setOpen("list")}>
          <ListIcon /> All sessions
        </MenuItem>
      </Menu>
      {open === "list" && (
        <SessionList
          desktopId={desktopId}
          current={session?.id}
          onPick={(id) => {
            close();
            onPick(id);
          }}
          onGone={onGone}
          onClose={close}
        />
      )}
      {open === "settings" && session && <SessionSettingsDialog session={session} onClose={close} />}
      {open === "rename" && session && <RenameSession session={session} onClose={close} />}
      {open === "delete" && session && (
        <DeleteSession
          session={session}
          onClose={close}
          onDeleted={() => {
            close();
            onGone();
          }}
        />
      )}
    </>
  );
}

function Archive({ session }: { session: Session }) {
  const change = useChangeSession(session);
  return (
    <>
      <MenuItem stays onSelect={() => change.mutate({ archived: !session.archived })}>
        <ArchiveIcon /> {session.archived ? "Unarchive" : "Archive"}
      </MenuItem>
      {change.isError && <Notice tone="bad">{explain(change.error)}</Notice>}
    </>
  );
}
