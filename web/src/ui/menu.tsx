// A button that opens a short list of things to do.
import { createContext, type KeyboardEvent, type ReactNode, use, useEffect, useRef, useState } from "react";
import { Link } from "react-router";

interface Props {
  label: string;
  button: ReactNode;
  className?: string;
  children: ReactNode;
}

const Close = createContext<() => void>(() => undefined);

export function Menu({ label, button, className = "rounded-full", children }: Props) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (!open) return;
    items(root.current)[0]?.focus();
    const outside = (event: PointerEvent) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [open]);

  // The button has the focus before an item acts, so that a dialog which the item opens gives it back to there.
  const close = () => {
    root.current?.querySelector("button")?.focus();
    setOpen(false);
  };

  const onKey = (event: KeyboardEvent) => {
    if (!open) return;
    const all = items(root.current);
    const next = neighbour(all, event.key);
    if (next) {
      event.preventDefault();
      next.focus();
    } else if (event.key === "Escape") {
      // A dialog around the menu stays open.
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === "Tab") {
      setOpen(false);
    }
  };

  return (
    // Keys that mean something to a menu come up from the button and the items in it.
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div ref={root} className="relative" onKeyDown={onKey}>
      <button
        type="button"
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        className={`inline-grid size-9 place-items-center text-muted transition-colors hover:bg-sunken hover:text-ink ${className}`}
        onClick={() => setOpen(!open)}
      >
        {button}
      </button>
      {open && (
        <div
          role="menu"
          aria-label={label}
          className="appear absolute right-0 z-20 mt-1.5 w-max max-w-[calc(100vw-1.5rem)] min-w-52 rounded-xl border border-line bg-raised p-1.5 shadow-card"
        >
          <Close value={close}>{children}</Close>
        </div>
      )}
    </div>
  );
}

function items(root: HTMLElement | null): HTMLElement[] {
  return Array.from(root?.querySelectorAll<HTMLElement>('[role="menuitem"]') ?? []);
}

function neighbour(all: HTMLElement[], key: string): HTMLElement | undefined {
  const here = all.indexOf(document.activeElement as HTMLElement);
  switch (key) {
    case "ArrowDown":
      return all[(here + 1) % all.length];
    case "ArrowUp":
      return all.at(here - 1);
    case "Home":
      return all[0];
    case "End":
      return all.at(-1);
    default:
      return undefined;
  }
}

const ITEM = "flex w-full items-center gap-2.5 rounded-lg px-3 py-2 text-left text-sm hover:bg-sunken";

interface ItemProps {
  onSelect: () => void;
  // The menu stays open, because what becomes of it is said there.
  stays?: boolean;
  className?: string;
  children: ReactNode;
}

export function MenuItem({ onSelect, stays = false, className = "", children }: ItemProps) {
  const close = use(Close);
  const select = () => {
    if (!stays) close();
    onSelect();
  };
  return (
    <button type="button" role="menuitem" className={`${ITEM} ${className}`} onClick={select}>
      {children}
    </button>
  );
}

export function MenuLink({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Link to={to} role="menuitem" className={ITEM}>
      {children}
    </Link>
  );
}

// Leads to a file, which the browser keeps rather than shows.
export function MenuDownload({ href, children }: { href: string; children: ReactNode }) {
  const close = use(Close);
  return (
    <a href={href} download role="menuitem" className={ITEM} onClick={close}>
      {children}
    </a>
  );
}
