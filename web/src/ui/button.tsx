// Buttons, and links that look like them.
import type { ButtonHTMLAttributes, ReactNode } from "react";
import { Spinner } from "./spinner";

type Look = "primary" | "plain" | "quiet" | "danger";

const LOOKS: Record<Look, string> = {
  primary: "bg-accent text-on-accent hover:bg-accent-hover font-medium",
  plain: "bg-raised border border-line-strong text-ink hover:bg-sunken",
  quiet: "text-muted hover:text-ink hover:bg-sunken",
  danger: "bg-bad text-surface hover:opacity-90 font-medium",
};

const SIZES = {
  normal: "h-10 px-4 gap-2 rounded-lg text-[0.9375rem]",
  small: "h-8 px-2.5 gap-1.5 rounded-lg text-sm",
};

export function buttonClass(look: Look = "plain", size: keyof typeof SIZES = "normal"): string {
  return `inline-flex items-center justify-center whitespace-nowrap transition-colors select-none disabled:opacity-50 ${LOOKS[look]} ${SIZES[size]}`;
}

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look;
  size?: keyof typeof SIZES;
  busy?: boolean;
  icon?: ReactNode;
}

export function Button({ look, size, busy, icon, children, className = "", disabled, ...rest }: Props) {
  return (
    <button
      type="button"
      className={`${buttonClass(look, size)} ${className}`}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      {...rest}
    >
      {busy ? <Spinner /> : icon}
      {children}
    </button>
  );
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  label: string;
  busy?: boolean;
  children: ReactNode;
}

// A button that is only a picture still has a name, which is also its tooltip.
export function IconButton({ label, busy, children, className = "", disabled, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      className={`inline-grid size-9 shrink-0 place-items-center rounded-lg text-muted transition-colors hover:bg-sunken hover:text-ink disabled:opacity-50 ${className}`}
      disabled={disabled || busy}
      {...rest}
    >
      {busy ? <Spinner /> : children}
    </button>
  );
}
