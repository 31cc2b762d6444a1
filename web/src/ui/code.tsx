// A word or a text that is read sign by sign.
import type { ReactNode } from "react";

export function Code({ children }: { children: ReactNode }) {
  return (
    <code className="rounded border border-line bg-sunken px-1 py-0.5 font-mono text-[0.85em] [overflow-wrap:anywhere]">
      {children}
    </code>
  );
}

interface BlockProps {
  label: string;
  testId?: string;
  className?: string;
  children: string;
}

export function CodeBlock({ label, testId, className = "", children }: BlockProps) {
  return (
    <pre
      data-testid={testId}
      role="group"
      aria-label={label}
      // What scrolls must be reachable by keyboard.
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      className={`max-h-72 overflow-auto rounded-lg border border-line bg-sunken px-3 py-2 font-mono text-xs leading-relaxed [overflow-wrap:anywhere] whitespace-pre-wrap ${className}`}
    >
      {children}
    </pre>
  );
}
