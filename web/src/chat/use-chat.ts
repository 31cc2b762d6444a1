// A session's chat, for components.
import { useEffect, useState, useSyncExternalStore } from "react";
import type { LinkStatus } from "../api/reconnect";
import type { Session } from "../api/types";
import { ChatConnection } from "./connection";
import type { ChatState } from "./state";

export interface Chat {
  connection: ChatConnection;
  state: ChatState;
  link: LinkStatus;
}

export function useChat(session: Session, desktopReady: boolean): Chat {
  const [connection] = useState(() => new ChatConnection(session.id, session.desktop_id));
  const state = useSyncExternalStore(connection.subscribe, connection.snapshot);
  const link = useSyncExternalStore(connection.subscribe, connection.linkStatus);

  useEffect(() => {
    connection.open(desktopReady);
  }, [connection, desktopReady]);

  useEffect(() => () => connection.close(), [connection]);

  useEffect(() => {
    connection.told({ type: "session", session });
  }, [connection, session]);

  return { connection, state, link };
}
