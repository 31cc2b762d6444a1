// A modal dialog: the browser's own, which keeps the focus inside and gives it back.
import { type ReactNode, useId, useLayoutEffect, useRef } from "react";

interface Props {
  title: string;
  // Asks before something that cannot be undone.
  alert?: boolean;
  // For a picture, a list or a long form; no focus comes to lie behind what sticks to its lower edge.
  wide?: boolean;
  onClose: () => void;
  children: ReactNode;
}

export function Dialog({ title, alert = false, wide = false, onClose, children }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const pressedOutside = useRef(false);
  const id = useId();

  // Before it leaves the page: a dialog that is gone cannot give the focus back.
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);

  return (
    // The dialog itself handles Escape; a press on the dark around it is the same for a mouse.
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
    <dialog
      ref={ref}
      role={alert ? "alertdialog" : undefined}
      aria-labelledby={id}
      className={`m-auto ${wide ? "scroll-pb-28 w-[min(42rem,calc(100vw-1.5rem))]" : "w-[min(27rem,calc(100vw-2rem))]"} max-h-[calc(100dvh-1.5rem)] rounded-2xl border border-line bg-raised p-0 text-ink shadow-card`}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => {
        pressedOutside.current = event.target === ref.current;
      }}
      onClick={(event) => {
        // Who selects a text and lets go outside has not asked to lose what they wrote.
        if (event.target === ref.current && pressedOutside.current) onClose();
      }}
    >
      <div className="p-5 sm:p-6">
        <h2 id={id} className="text-lg font-semibold [overflow-wrap:anywhere]">
          {title}
        </h2>
        {children}
      </div>
    </dialog>
  );
}
