// The split view: the desktop on one side, the chat on the other.
import { useCallback, useEffect, useRef, useState } from "react";
import { Group, Panel, Separator, useDefaultLayout } from "react-resizable-panels";
import { Link, useNavigate, useParams } from "react-router";
import { explain } from "../api/problem";
import type { Desktop } from "../api/types";
import type { ComposerHandle } from "../chat/composer";
import { ChatPanel } from "../chat/panel";
import { type Control, useControl } from "../desktop/control";
import { DeleteDesktop } from "../desktop/delete";
import { mayUseDesktop } from "../desktop/driving";
import { DesktopPane } from "../desktop/pane";
import { useDesktop, useDesktopVerb } from "../desktop/queries";
import type { ScreenHandle } from "../desktop/screen";
import { DesktopStateBadge, mayDelete, mayStop } from "../desktop/state";
import { Button, buttonClass, IconButton } from "../ui/button";
import { BackIcon, ClipboardIcon, ExpandIcon, PowerIcon, TrashIcon } from "../ui/icons";
import { MenuItem } from "../ui/menu";
import { Notice } from "../ui/notice";
import { Spinner } from "../ui/spinner";
import { useTitle } from "../ui/title";
import { useNarrow } from "../ui/narrow";
import { AccountMenu } from "./frame";

export default function DesktopPage() {
  const { id = "" } = useParams();
  const desktop = useDesktop(id);
  useTitle(desktop.data?.name ?? "Desktop");
  if (desktop.data) return <Split key={id} desktop={desktop.data} />;
  return (
    <main className="grid min-h-dvh place-items-center p-6">
      {desktop.isPending ? (
        <div role="status" aria-label="Loading">
          <Spinner className="size-6 text-faint" />
        </div>
      ) : desktop.isError ? (
        <div className="max-w-sm">
          <Notice tone="bad">{explain(desktop.error)}</Notice>
          <Button className="mt-4" onClick={() => void desktop.refetch()}>
            Try again
          </Button>
        </div>
      ) : (
        <div className="text-center">
          <h1 className="text-lg font-semibold">There is no such desktop</h1>
          <p className="mt-1 text-muted">It was deleted, or it belongs to somebody else.</p>
          <Link to="/desktops" className={`mt-5 ${buttonClass("primary")}`}>
            To your desktops
          </Link>
        </div>
      )}
    </main>
  );
}

function Split({ desktop }: { desktop: Desktop }) {
  const narrow = useNarrow();
  const orientation = narrow ? "vertical" : "horizontal";
  const pane = useRef<HTMLDivElement>(null);
  const screen = useRef<ScreenHandle>(null);
  const composer = useRef<ComposerHandle>(null);
  useSideSwitch(pane, screen, composer);
  const control = useControl(desktop.id, desktop.state === "ready");
  const layout = useDefaultLayout({ id: `cloudbot.split.${orientation}`, storage: localStorage });

  return (
    <div className="flex h-dvh flex-col overflow-hidden">
      <Header desktop={desktop} control={control} pane={pane} screen={screen} />
      <main className="min-h-0 flex-1">
        <Group key={orientation} orientation={orientation} className="h-full" {...layout}>
          <Panel id="desktop" defaultSize={narrow ? "42%" : "66%"} minSize={narrow ? "20%" : "30%"}>
            <div ref={pane} data-testid="desktop-pane" className="relative h-full overflow-hidden bg-sunken">
              <DesktopPane desktop={desktop} control={control} screen={screen} />
            </div>
          </Panel>
          <Separator
            aria-label="Resize desktop and chat"
            className={`group relative bg-line transition-colors hover:bg-accent focus-visible:bg-accent data-[separator=active]:bg-accent ${narrow ? "h-px" : "w-px"}`}
          >
            <span
              aria-hidden="true"
              className={`absolute top-1/2 left-1/2 -translate-x-1/2 -translate-y-1/2 rounded-full bg-line-strong group-hover:bg-accent ${narrow ? "h-1 w-9" : "h-9 w-1"}`}
            />
          </Separator>
          <Panel id="chat" minSize={narrow ? "30%" : "18rem"}>
            <div data-testid="chat-pane" className="h-full">
              <ChatPanel desktop={desktop} control={control} composer={composer} />
            </div>
          </Panel>
        </Group>
      </main>
    </div>
  );
}

const PAGE_LINK =
  "shrink-0 rounded-lg px-2.5 py-1.5 text-sm whitespace-nowrap text-muted hover:bg-sunken hover:text-ink max-sm:hidden";

interface HeaderProps {
  desktop: Desktop;
  control: Control;
  pane: React.RefObject<HTMLDivElement | null>;
  screen: React.RefObject<ScreenHandle | null>;
}

function Header({ desktop, control, pane, screen }: HeaderProps) {
  const verb = useDesktopVerb(desktop.id);
  const navigate = useNavigate();
  const [deleting, setDeleting] = useState(false);
  const ready = desktop.state === "ready";
  const servers = `/desktops/${desktop.id}/mcp-servers`;
  return (
    <header className="flex h-13 shrink-0 items-center gap-1 border-b border-line bg-surface px-2 sm:px-3">
      <Link
        to="/desktops"
        aria-label="Desktops"
        title="Desktops"
        className="inline-grid size-9 shrink-0 place-items-center rounded-lg text-muted hover:bg-sunken hover:text-ink"
      >
        <BackIcon className="size-5" />
      </Link>
      <h1 className="min-w-0 truncate font-semibold" title={desktop.name}>
        {desktop.name}
      </h1>
      <span className="ml-2">
        <DesktopStateBadge state={desktop.state} />
      </span>
      {verb.isError && (
        <p role="alert" className="ml-2 truncate text-sm text-bad" title={explain(verb.error)}>
          {explain(verb.error)}
        </p>
      )}
      <div className="ml-auto flex items-center">
        {ready && (
          <PasteButton screen={screen} disabled={control.who !== undefined && !mayUseDesktop(control.who)} />
        )}
        {ready && (
          <IconButton
            label="Full screen"
            className="max-sm:hidden"
            onClick={() => void pane.current?.requestFullscreen()}
          >
            <ExpandIcon />
          </IconButton>
        )}
        {mayStop(desktop) && (
          <IconButton label="Stop desktop" busy={verb.isPending} onClick={() => verb.mutate("stop")}>
            <PowerIcon />
          </IconButton>
        )}
        {!ready && mayDelete(desktop) && (
          <IconButton label="Delete desktop" onClick={() => setDeleting(true)}>
            <TrashIcon />
          </IconButton>
        )}
        <Link to={servers} className={PAGE_LINK}>
          MCP servers
        </Link>
        <Link to="/settings" className={PAGE_LINK}>
          Settings
        </Link>
        <AccountMenu>
          <MenuItem className="sm:hidden" onSelect={() => void navigate(servers)}>
            MCP servers
          </MenuItem>
          <MenuItem className="sm:hidden" onSelect={() => void navigate("/settings")}>
            Settings
          </MenuItem>
        </AccountMenu>
      </div>
      {deleting && (
        <DeleteDesktop
          desktop={desktop}
          onClose={() => setDeleting(false)}
          onDeleted={() => void navigate("/desktops")}
        />
      )}
    </header>
  );
}

// The browser gives a page the clipboard only on a press.
function PasteButton({ screen, disabled }: { screen: HeaderProps["screen"]; disabled: boolean }) {
  const [told, setTold] = useState("");
  const paste = useCallback(async () => {
    try {
      screen.current?.paste(await navigator.clipboard.readText());
      screen.current?.focus();
      setTold("Your clipboard is on the desktop: paste it there");
    } catch {
      setTold("The browser did not allow reading the clipboard");
    }
  }, [screen]);
  useEffect(() => {
    if (!told) return;
    const timer = setTimeout(() => setTold(""), 4000);
    return () => clearTimeout(timer);
  }, [told]);
  return (
    <>
      <span role="status" className="mr-1 truncate text-xs text-muted max-md:sr-only">
        {told}
      </span>
      <IconButton
        label="Bring your clipboard to the desktop"
        disabled={disabled}
        className="max-sm:hidden"
        onClick={() => void paste()}
      >
        <ClipboardIcon />
      </IconButton>
    </>
  );
}

// Ctrl+Alt+Enter moves between desktop and chat: the desktop takes every other key.
function useSideSwitch(
  pane: React.RefObject<HTMLElement | null>,
  screen: React.RefObject<ScreenHandle | null>,
  composer: React.RefObject<ComposerHandle | null>,
) {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!(event.key === "Enter" && event.ctrlKey && event.altKey)) return;
      event.preventDefault();
      event.stopPropagation();
      if (pane.current?.contains(document.activeElement)) composer.current?.focus();
      else screen.current?.focus();
    };
    document.addEventListener("keydown", onKey, { capture: true });
    return () => document.removeEventListener("keydown", onKey, { capture: true });
  }, [pane, screen, composer]);
}
