// Counts down to the next attempt.
import { useNow } from "./time";

export function TryingAgain({ at }: { at: number }) {
  const seconds = Math.max(0, Math.ceil((at - useNow()) / 1000));
  return <>{seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again now."}</>;
}
