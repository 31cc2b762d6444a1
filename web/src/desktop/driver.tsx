// The line above the desktop: who drives, and how to take control or hand it back.
import { type ReactNode, useState } from "react";
import { explain } from "../api/problem";
import { Button } from "../ui/button";
import { ChevronIcon, CrossIcon, HandIcon, MonitorIcon, PersonIcon, PointerIcon } from "../ui/icons";
import { Menu, MenuItem } from "../ui/menu";
import { Notice } from "../ui/notice";
import { type Control, useGrasp } from "./control";
import { DRIVES, type Driving } from "./driving";
import { HandBackDialog } from "./hand-back";

interface Props {
  desktopId: string;
  control: Control;
}

const ICONS: Record<Driving, ReactNode> = {
  nobody: <MonitorIcon />,
  agent: <PointerIcon />,
  you: <HandIcon />,
  other: <PersonIcon />,
};

const TONES: Record<Driving, string> = {
  nobody: "text-muted",
  agent: "text-accent",
  you: "text-good",
  other: "text-warn",
};

export function DriverBar({ desktopId, control }: Props) {
  const grasp = useGrasp(desktopId);
  const [handing, setHanding] = useState(false);
  const { who, waiting, failed } = control;
  const yours = who === "you";
  return (
    <div className="shrink-0 border-b border-line bg-surface">
      <div className="flex h-12 items-center gap-2 pr-1.5 pl-3">
        <p
          data-testid="driver"
          data-driver={who ?? "unknown"}
          role="status"
          className="flex min-w-0 flex-1 items-center gap-2 text-sm"
        >
          {who && <span className={TONES[who]}>{ICONS[who]}</span>}
          <span className="truncate font-medium">
            {who ? DRIVES[who] : failed ? "The desktop does not say who drives" : "Asking who drives…"}
          </span>
          {waiting ? (
            <span className="truncate text-muted">
              <span className="max-sm:hidden">Waiting until the agent&rsquo;s present action ends…</span>
              <span className="sm:hidden">Waiting…</span>
            </span>
          ) : (
            who === "nobody" && <span className="truncate text-faint max-xl:hidden">It is yours to use</span>
          )}
        </p>
        {/* One button throughout: who has just pressed it keeps the focus. */}
        <Button
          size="small"
          look={yours ? "primary" : "plain"}
          icon={yours ? undefined : <HandIcon />}
          busy={grasp.isPending && grasp.variables === "take"}
          disabled={who === undefined && !failed}
          onClick={() => (yours ? setHanding(true) : grasp.mutate("take"))}
        >
          {yours ? "Hand back" : "Take control"}
        </Button>
        {who === "agent" && !waiting && (
          <Menu
            label="More ways to take control"
            className="size-8 rounded-lg"
            button={<ChevronIcon className="size-4 rotate-90" />}
          >
            <MenuItem onSelect={() => grasp.mutate("request")}>
              <span>
                Ask for control
                <span className="block max-w-64 text-xs text-faint">
                  The agent ends its present action first.
                </span>
              </span>
            </MenuItem>
          </Menu>
        )}
      </div>
      {grasp.isError && (
        <Notice tone="bad" className="mx-2 mb-2">
          <span className="flex items-start justify-between gap-2">
            {explain(grasp.error)}
            <button type="button" aria-label="Dismiss" onClick={() => grasp.reset()}>
              <CrossIcon />
            </button>
          </span>
        </Notice>
      )}
      {handing && <HandBackDialog desktopId={desktopId} onClose={() => setHanding(false)} />}
    </div>
  );
}
