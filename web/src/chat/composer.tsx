// Where a person writes: Enter sends, Shift+Enter is a new line.
import {
  type KeyboardEvent,
  type Ref,
  useId,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { SendIcon, StopIcon } from "../ui/icons";
import { Spinner } from "../ui/spinner";

export interface ComposerHandle {
  focus: () => void;
  // Puts a text where the person can finish it.
  suggest: (text: string) => void;
}

interface Props {
  placeholder: string;
  // What becomes of a message that is sent now, where that is not plain.
  hint?: string | undefined;
  working: boolean;
  // Resolves to whether the text was taken over; if not, it stays.
  onSend: (text: string) => boolean | Promise<boolean>;
  onStop: () => void;
  // What ArrowUp brings back into an empty field.
  previous: string | undefined;
  ref?: Ref<ComposerHandle>;
}

const LONGEST = 100_000;

export function Composer({ placeholder, hint, working, onSend, onStop, previous, ref }: Props) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const hintId = useId();

  useImperativeHandle(ref, () => ({
    focus: () => field.current?.focus(),
    suggest: (suggestion) => {
      setText(suggestion);
      field.current?.focus();
    },
  }));

  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = "0";
    element.style.height = `${Math.min(element.scrollHeight, 200)}px`;
  }, [text]);

  const send = async () => {
    const said = text.trim();
    if (said === "" || busy) return;
    setBusy(true);
    const taken = await onSend(said);
    setBusy(false);
    if (taken) setText("");
    field.current?.focus();
  };

  const onKey = (event: KeyboardEvent) => {
    // While a word is being composed, Enter belongs to the input method.
    if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      void send();
    } else if (event.key === "ArrowUp" && text === "" && previous) {
      event.preventDefault();
      setText(previous);
    }
  };

  return (
    <div className="rounded-2xl border border-line-strong bg-raised transition-colors focus-within:border-accent focus-within:ring-3 focus-within:ring-accent/15">
      {hint && (
        <p id={hintId} data-testid="composer-hint" className="px-4 pt-2.5 text-xs text-muted">
          {hint}
        </p>
      )}
      <textarea
        ref={field}
        aria-label="Message"
        aria-describedby={hint ? hintId : undefined}
        rows={1}
        maxLength={LONGEST}
        value={text}
        placeholder={placeholder}
        className="block max-h-50 w-full resize-none bg-transparent px-4 pt-3 pb-1 outline-none"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKey}
      />
      <div className="flex items-center justify-end gap-2 p-2 pt-0">
        {working && (
          <button
            type="button"
            className="inline-flex h-9 items-center gap-1.5 rounded-xl border border-line-strong px-3 text-sm font-medium text-bad hover:bg-bad-soft"
            aria-label="Stop the agent"
            onClick={onStop}
          >
            <StopIcon className="size-4" /> Stop
          </button>
        )}
        <button
          type="button"
          aria-label="Send"
          title="Send (Enter)"
          disabled={text.trim() === "" || busy}
          className="inline-grid size-9 place-items-center rounded-xl bg-accent text-on-accent transition-opacity hover:bg-accent-hover disabled:opacity-35"
          onClick={() => void send()}
        >
          {busy ? <Spinner /> : <SendIcon className="size-5" />}
        </button>
      </div>
    </div>
  );
}
