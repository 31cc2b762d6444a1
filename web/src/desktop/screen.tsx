// The live screen of a ready desktop, by VNC: scaled to its place, and back by itself when the connection is lost.
import RFB from "@novnc/novnc";
import { type Ref, useEffect, useImperativeHandle, useRef, useState } from "react";
import { call } from "../api/client";
import { type LinkStatus, Reconnect, whenBack } from "../api/reconnect";
import { webSocketUrl } from "../api/socket";
import type { Desktop } from "../api/types";
import { Button } from "../ui/button";
import { Spinner } from "../ui/spinner";
import { TryingAgain } from "../ui/trying-again";

export interface ScreenHandle {
  focus: () => void;
  // Puts a text on the desktop's clipboard.
  paste: (text: string) => void;
}

interface Props {
  desktop: Desktop;
  // Mouse and keyboard are not sent.
  viewOnly: boolean;
  // Somebody pressed on a screen that takes no input.
  onRefused: () => void;
  ref?: Ref<ScreenHandle>;
}

export default function Screen({ desktop, viewOnly, onRefused, ref }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const rfb = useRef<RFB>(undefined);
  const retry = useRef<Reconnect>(undefined);
  const [status, setStatus] = useState<LinkStatus>({ kind: "connecting" });
  // The last picture stays in sight while the connection is made again.
  const [seen, setSeen] = useState(false);

  useImperativeHandle(ref, () => ({
    focus: () => rfb.current?.focus(),
    paste: (text) => rfb.current?.clipboardPasteFrom(text),
  }));

  const watching = useRef(viewOnly);
  useEffect(() => {
    watching.current = viewOnly;
    if (rfb.current) rfb.current.viewOnly = viewOnly;
  }, [viewOnly]);

  const { id, generation } = desktop;
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    let over = false;
    const reconnect = new Reconnect(
      () => {
        rfb.current = connect(element, id, {
          wanted: () => !over,
          opened: () => {
            reconnect.opened();
            setSeen(true);
          },
          lost: () => reconnect.lost(),
        });
        rfb.current.viewOnly = watching.current;
      },
      setStatus,
      async () => {
        const now = await call<Desktop>("GET", `/desktops/${id}`);
        return now.state === "ready" ? "The desktop's screen does not answer." : "The desktop is not ready.";
      },
    );
    retry.current = reconnect;
    reconnect.start();
    const forgetBack = whenBack(() => reconnect.now());
    return () => {
      over = true;
      forgetBack();
      reconnect.stop();
      rfb.current?.disconnect();
      element.replaceChildren();
    };
  }, [id, generation]);

  return (
    <div className="absolute inset-0 overflow-hidden bg-screen">
      <div
        ref={host}
        data-testid="vnc"
        data-view-only={viewOnly}
        className="absolute inset-0"
        onPointerDownCapture={viewOnly ? onRefused : undefined}
      />
      <StatusLine status={status} seen={seen} onRetry={() => retry.current?.now()} />
    </div>
  );
}

interface Listener {
  // Is the page still there to show a picture?
  wanted: () => boolean;
  opened: () => void;
  lost: () => void;
}

function connect(element: HTMLElement, id: string, listener: Listener): RFB {
  const socket = new WebSocket(webSocketUrl(`/desktops/${id}/vnc`), ["binary"]);
  const old = Array.from(element.children);
  const rfb = new RFB(element, socket, { shared: true });
  rfb.scaleViewport = true;
  rfb.background = "transparent";
  rfb.qualityLevel = 7;
  rfb.compressionLevel = 2;
  rfb.showDotCursor = true;
  const screen = element.lastElementChild;
  if (screen instanceof HTMLElement) screen.style.position = "absolute";
  let connected = false;
  rfb.addEventListener("connect", () => {
    connected = true;
    old.forEach((child) => child.remove());
    listener.opened();
  });
  rfb.addEventListener("disconnect", () => {
    // noVNC takes its screen away; the picture on it is still the last that is known.
    if (connected && screen && listener.wanted()) element.prepend(screen);
    listener.lost();
  });
  rfb.addEventListener("clipboard", (event) => {
    // Only a page that is looked at may write to the clipboard; otherwise the text stays on the desktop.
    navigator.clipboard?.writeText(event.detail.text).catch(() => undefined);
  });
  return rfb;
}

interface StatusProps {
  status: LinkStatus;
  seen: boolean;
  onRetry: () => void;
}

function StatusLine({ status, seen, onRetry }: StatusProps) {
  const shown = status.kind !== "open";
  return (
    <div
      data-testid="vnc-status"
      data-status={status.kind === "open" ? "connected" : status.kind}
      role="status"
      className={
        shown
          ? `absolute inset-0 grid place-items-center p-4 ${seen ? "bg-black/55 backdrop-blur-[2px]" : ""}`
          : "sr-only"
      }
    >
      {status.kind === "open" && "Connected to the desktop's screen"}
      {status.kind === "connecting" && (
        <p className="flex items-center gap-2.5 text-sm text-white/80">
          <Spinner /> {seen ? "Reconnecting to the screen…" : "Connecting to the screen…"}
        </p>
      )}
      {status.kind === "waiting" && (
        <div className="max-w-sm text-center text-sm text-white/90">
          <p className="font-medium">{status.reason}</p>
          <p className="mt-1 text-white/70">
            <TryingAgain key={status.retryAt} at={status.retryAt} />
          </p>
          <Button size="small" className="mt-4" onClick={onRetry}>
            Try now
          </Button>
        </div>
      )}
    </div>
  );
}
