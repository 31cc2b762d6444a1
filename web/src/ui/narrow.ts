// Is the window too narrow for two panes side by side?
import { useSyncExternalStore } from "react";

// A desktop is wider than high, so that on a tall window it is larger above the chat than beside it.
const QUERY = "(max-width: 639px), (max-width: 1023px) and (orientation: portrait)";

export function useNarrow(): boolean {
  return useSyncExternalStore(
    (changed) => {
      const media = matchMedia(QUERY);
      media.addEventListener("change", changed);
      return () => media.removeEventListener("change", changed);
    },
    () => matchMedia(QUERY).matches,
  );
}
