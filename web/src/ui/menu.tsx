// A button that opens a short list of things to do.
import { type ReactNode, useEffect, useRef, useState } from "react";

interface Props {
  label: string;
  button: ReactNode;
  children: ReactNode;
}

export function Menu({ label, button, children }: Props) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (!open) return;
    root.current?.querySelector<HTMLElement>('[role="menuitem"]')?.focus();
    const outside = (event: PointerEvent) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [open]);

  return (
    // Keys that mean something to a menu come up from the button and the items in it.
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div
      ref={root}
      className="relative"
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open) return;
        setOpen(false);
        root.current?.querySelector("button")?.focus();
      }}
    >
      <button
        type="button"
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        className="inline-grid size-9 place-items-center rounded-full text-muted transition-colors hover:bg-sunken hover:text-ink"
        onClick={() => setOpen(!open)}
      >
        {button}
      </button>
      {open && (
        <div
          role="menu"
          aria-label={label}
          className="appear absolute right-0 z-20 mt-1.5 min-w-52 rounded-xl border border-line bg-raised p-1.5 shadow-card"
        >
          {children}
        </div>
      )}
    </div>
  );
}

interface ItemProps {
  onSelect: () => void;
  className?: string;
  children: ReactNode;
}

export function MenuItem({ onSelect, className = "", children }: ItemProps) {
  return (
    <button
      type="button"
      role="menuitem"
      className={`flex w-full items-center gap-2 rounded-lg px-3 py-2 text-left text-sm hover:bg-sunken ${className}`}
      onClick={onSelect}
    >
      {children}
    </button>
  );
}
