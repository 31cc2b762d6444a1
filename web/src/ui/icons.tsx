// Line icons, drawn in the colour of the text around them.
import type { ReactNode } from "react";

interface IconProps {
  className?: string;
}

function icon(children: ReactNode) {
  return function Icon({ className = "size-4" }: IconProps) {
    return (
      <svg
        viewBox="0 0 24 24"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.8"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
        className={`shrink-0 ${className}`}
      >
        {children}
      </svg>
    );
  };
}

export const PlusIcon = icon(<path d="M12 5v14M5 12h14" />);
export const PlayIcon = icon(<path d="M7 4.8v14.4L19 12z" />);
export const StopIcon = icon(<rect x="6" y="6" width="12" height="12" rx="2" />);
export const PowerIcon = icon(<path d="M12 3v8M6.3 6.8a8 8 0 1 0 11.4 0" />);
export const TrashIcon = icon(<path d="M4 7h16M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7M10 11v5M14 11v5" />);
export const BackIcon = icon(<path d="M19 12H5M11 6l-6 6 6 6" />);
export const SendIcon = icon(<path d="M12 19V5M6 11l6-6 6 6" />);
export const ExpandIcon = icon(<path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5" />);
export const CheckIcon = icon(<path d="M5 12.5l4.5 4.5L19 7.5" />);
export const CrossIcon = icon(<path d="M6 6l12 12M18 6L6 18" />);
export const ChevronIcon = icon(<path d="M9 6l6 6-6 6" />);
export const DownIcon = icon(<path d="M12 5v14M6 13l6 6 6-6" />);
export const PersonIcon = icon(
  <>
    <circle cx="12" cy="8.5" r="3.5" />
    <path d="M5 20c.8-4 3.5-5.5 7-5.5s6.2 1.5 7 5.5" />
  </>,
);
export const KeyIcon = icon(
  <>
    <circle cx="8" cy="15" r="4" />
    <path d="M11 12l8-8M16 7l2.5 2.5M13.5 9.5l2 2" />
  </>,
);
export const WarnIcon = icon(<path d="M12 4L2.8 19.5h18.4zM12 10v4.5M12 17.2v.1" />);
export const InfoIcon = icon(
  <>
    <circle cx="12" cy="12" r="9" />
    <path d="M12 11v5M12 7.8v.1" />
  </>,
);
export const EyeIcon = icon(
  <>
    <path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z" />
    <circle cx="12" cy="12" r="2.8" />
  </>,
);
export const PointerIcon = icon(<path d="M6 4l12.5 7.2-5.4 1.5-2.2 5.3z" />);
export const KeyboardIcon = icon(
  <>
    <rect x="2.5" y="6.5" width="19" height="11" rx="2.5" />
    <path d="M6.5 10.2h.1M10.2 10.2h.1M13.8 10.2h.1M17.5 10.2h.1M8 14h8" />
  </>,
);
export const TerminalIcon = icon(
  <>
    <rect x="3" y="4.5" width="18" height="15" rx="2.5" />
    <path d="M7 9.5l3 2.5-3 2.5M12.5 15h4" />
  </>,
);
export const FileIcon = icon(<path d="M6 3.5h8L18.5 8v12.5H6zM13.5 3.5V8.5h5M9 12.5h6M9 16h6" />);
export const ClockIcon = icon(
  <>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M12 7v5.2l3.2 2" />
  </>,
);
export const ToolIcon = icon(<path d="M13 3L5 13.5h6L10.5 21 19 10.5h-6.2z" />);
export const MonitorIcon = icon(
  <>
    <rect x="3" y="4.5" width="18" height="12" rx="2" />
    <path d="M9 20h6M12 16.5V20" />
  </>,
);
export const ClipboardIcon = icon(
  <>
    <rect x="5.5" y="5" width="13" height="15.5" rx="2" />
    <path d="M9 5V3.5h6V5zM9 11h6M9 15h4" />
  </>,
);
export const MoreIcon = icon(
  <>
    <path d="M5.5 12h.1M12 12h.1M18.5 12h.1" strokeWidth="2.8" />
  </>,
);
export const PauseIcon = icon(<path d="M8.5 5.5v13M15.5 5.5v13" />);
export const HandIcon = icon(
  <path d="M8 12V6.2a1.6 1.6 0 0 1 3.2 0V11M11.2 10.6V4.6a1.6 1.6 0 0 1 3.2 0V11M14.4 11V6.4a1.6 1.6 0 0 1 3.2 0V14c0 4-2.3 6.8-6 6.8-3 0-4.5-1.3-6-4.2l-1.8-3.4a1.5 1.5 0 0 1 2.6-1.5L8 14" />,
);
export const SlidersIcon = icon(<path d="M4 7.5h9M17 7.5h3M13 5v5M4 16.5h3M11 16.5h9M11 14v5" />);
export const SearchIcon = icon(
  <>
    <circle cx="10.5" cy="10.5" r="6" />
    <path d="M15 15l5 5" />
  </>,
);
export const PencilIcon = icon(<path d="M4.5 19.5l1-4.5L16 4.5l3.5 3.5L9 18.5zM13.5 7l3.5 3.5" />);
export const ArchiveIcon = icon(<path d="M4 5h16v4H4zM5.5 9v10.5h13V9M10 13h4" />);
export const DownloadIcon = icon(<path d="M12 4v11M7 10.5l5 5 5-5M4.5 20h15" />);
export const ListIcon = icon(<path d="M9 6.5h11M9 12h11M9 17.5h11M4.5 6.5h.1M4.5 12h.1M4.5 17.5h.1" />);
export const LockIcon = icon(
  <>
    <rect x="5" y="10.5" width="14" height="9.5" rx="2" />
    <path d="M8 10.5V8a4 4 0 0 1 8 0v2.5" />
  </>,
);
export const PlugIcon = icon(<path d="M9 3.5v4M15 3.5v4M6.5 7.5h11V11a5.5 5.5 0 0 1-11 0zM12 16.5v4" />);
export const RestartIcon = icon(<path d="M19.5 12a7.5 7.5 0 1 1-2.2-5.3M19.5 4v4.5H15" />);
