// A labelled choice among a few.
import { type ReactNode, type SelectHTMLAttributes, useId } from "react";

interface Props extends SelectHTMLAttributes<HTMLSelectElement> {
  label: string;
  // The label is read out, but stands elsewhere for those who see.
  bare?: boolean;
  children: ReactNode;
}

export function Choice({ label, bare = false, className = "", children, ...rest }: Props) {
  const id = useId();
  return (
    <div className={className}>
      <label htmlFor={id} className={bare ? "sr-only" : "mb-1.5 block text-sm font-medium"}>
        {label}
      </label>
      <div className="relative">
        <select
          id={id}
          className={`w-full appearance-none truncate rounded-lg border border-line-strong bg-raised pr-8 pl-3 ${bare ? "h-8 text-sm" : "h-10"}`}
          {...rest}
        >
          {children}
        </select>
        <svg
          viewBox="0 0 24 24"
          aria-hidden="true"
          className={`pointer-events-none absolute right-2.5 size-4 text-faint ${bare ? "top-2" : "top-3"}`}
          fill="none"
          stroke="currentColor"
          strokeWidth="2"
        >
          <path d="M8 10l4 4 4-4" />
        </svg>
      </div>
    </div>
  );
}
