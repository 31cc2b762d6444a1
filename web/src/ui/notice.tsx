// A word to the reader: what is the matter, and what to do.
import type { ReactNode } from "react";
import { InfoIcon, WarnIcon } from "./icons";

type Tone = "calm" | "warn" | "bad";

const TONES: Record<Tone, string> = {
  calm: "bg-accent-soft text-ink [&>svg]:text-accent",
  warn: "bg-warn-soft text-ink [&>svg]:text-warn",
  bad: "bg-bad-soft text-ink [&>svg]:text-bad",
};

interface Props {
  tone?: Tone;
  children: ReactNode;
  className?: string;
}

export function Notice({ tone = "calm", children, className = "" }: Props) {
  const Icon = tone === "calm" ? InfoIcon : WarnIcon;
  return (
    <div
      role={tone === "bad" ? "alert" : undefined}
      className={`flex items-start gap-2.5 rounded-xl px-3.5 py-2.5 text-sm ${TONES[tone]} ${className}`}
    >
      <Icon className="mt-0.5 size-4" />
      <div className="min-w-0 flex-1 [overflow-wrap:anywhere]">{children}</div>
    </div>
  );
}
