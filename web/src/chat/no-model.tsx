// Says plainly that no model listens, and what works without one.
import { Link } from "react-router";

export const COMMANDS = [
  { text: "/screenshot", means: "look at the screen" },
  { text: "/click 300 200", means: "press the mouse there" },
  { text: "/type hello", means: "type a text" },
  { text: "/key ctrl+l", means: "press keys" },
  { text: "/open https://example.org", means: "open an address" },
  { text: "!ls -la", means: "run a command" },
];

export function NoModel({ onTry, compact }: { onTry: (text: string) => void; compact: boolean }) {
  return (
    <section
      data-testid="no-model"
      aria-label="No model"
      className="rounded-xl border border-line bg-surface px-4 py-3 text-sm"
    >
      <p className="flex flex-wrap items-baseline justify-between gap-x-3">
        <span className="font-medium">No model is connected</span>
        <Link to="/settings" className="font-medium text-accent hover:underline">
          Add a key
        </Link>
      </p>
      {!compact && (
        <>
          <p className="mt-1 text-muted">
            Until then this is a console: your commands use the agent&rsquo;s own tools.
          </p>
          <ul role="list" className="mt-3 grid gap-1">
            {COMMANDS.map(({ text, means }) => (
              <li key={text}>
                <button
                  type="button"
                  className="flex w-full flex-wrap items-baseline gap-x-3 rounded-lg px-2 py-1 text-left hover:bg-sunken"
                  onClick={() => onTry(text)}
                >
                  <code className="font-mono text-[0.8125rem] text-ink">{text}</code>
                  <span className="text-faint">{means}</span>
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
