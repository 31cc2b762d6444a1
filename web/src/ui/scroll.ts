// Keeps the newest in sight, unless the person has scrolled away to read.
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

const NEAR_PX = 80;

export function useStickToEnd(changed: unknown) {
  const box = useRef<HTMLDivElement>(null);
  const sticking = useRef(true);
  const [away, setAway] = useState(false);

  const toEnd = useCallback(() => {
    const element = box.current;
    if (element) element.scrollTop = element.scrollHeight;
    sticking.current = true;
    setAway(false);
  }, []);

  const onScroll = useCallback(() => {
    const element = box.current;
    if (!element) return;
    const near = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
    sticking.current = near;
    setAway(!near);
  }, []);

  useLayoutEffect(() => {
    if (sticking.current) toEnd();
  }, [changed, toEnd]);

  // Pictures and panels change heights without an event of ours.
  useEffect(() => {
    const content = box.current?.firstElementChild;
    if (!content || !box.current) return;
    const observer = new ResizeObserver(() => {
      if (sticking.current) toEnd();
    });
    observer.observe(content);
    observer.observe(box.current);
    return () => observer.disconnect();
  }, [toEnd]);

  return { box, away, onScroll, toEnd };
}
