// Is the window too narrow for two panes side by side?
import { useSyncExternalStore } from "react";

const QUERY = "(max-width: 767px)";

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
