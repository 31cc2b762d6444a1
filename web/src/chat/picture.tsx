// A screenshot from the record, with a mark where the agent clicked; a press shows it large.
import { useLayoutEffect, useRef, useState } from "react";
import { API, call } from "../api/client";
import type { Picture, Point, Rect } from "../api/types";

interface Props {
  sessionId: string;
  picture: Picture;
  mark: Point | undefined;
  // What the action aims at.
  region?: Rect | undefined;
  alt: string;
}

export function Screenshot(props: Props) {
  const [large, setLarge] = useState(false);
  return (
    <>
      <button
        type="button"
        className="relative block w-full cursor-zoom-in overflow-hidden rounded-lg border border-line"
        aria-label={`Enlarge: ${props.alt}`}
        onClick={() => setLarge(true)}
      >
        <Marked {...props} />
      </button>
      {large && <Large {...props} onClose={() => setLarge(false)} />}
    </>
  );
}

export function Marked({ sessionId, picture, mark, region, alt }: Props) {
  // Of one picture: another that comes in its place has not failed.
  const [trouble, setTrouble] = useState<{ sha256: string; missing: boolean }>();
  const { width, height } = picture.size;
  const { sha256 } = picture;
  const again = trouble?.sha256 === sha256;
  const missing = again && trouble.missing;
  // A picture is asked for without a way to renew the session; any other request renews it.
  const failed = () => {
    if (again) {
      setTrouble({ sha256, missing: true });
      return;
    }
    call("GET", "/me").then(
      () => setTrouble({ sha256, missing: false }),
      () => setTrouble({ sha256, missing: true }),
    );
  };
  return (
    <span className="relative block w-full bg-sunken" style={{ aspectRatio: `${width} / ${height}` }}>
      {missing ? (
        <span className="absolute inset-0 grid place-items-center text-sm text-faint">
          The picture could not be loaded.
        </span>
      ) : (
        <img
          key={String(again)}
          data-testid="tool-picture"
          src={`${API}/sessions/${sessionId}/pictures/${sha256}`}
          alt={alt}
          width={width}
          height={height}
          loading="lazy"
          decoding="async"
          className="absolute inset-0 size-full"
          onError={failed}
        />
      )}
      {region && (
        <span
          data-testid="tool-region"
          className="absolute rounded-sm border-2 border-[#ff3d5e] shadow-[0_0_0_1.5px_white,inset_0_0_0_1.5px_white]"
          style={{
            left: `${(region.x / width) * 100}%`,
            top: `${(region.y / height) * 100}%`,
            width: `${(region.width / width) * 100}%`,
            height: `${(region.height / height) * 100}%`,
          }}
        />
      )}
      {mark && (
        <span
          data-testid="tool-mark"
          className="absolute grid size-6 -translate-1/2 place-items-center rounded-full border-2 border-[#ff3d5e] bg-[#ff3d5e]/25 shadow-[0_0_0_1.5px_white]"
          style={{ left: `${((mark.x + 0.5) / width) * 100}%`, top: `${((mark.y + 0.5) / height) * 100}%` }}
        >
          <span className="size-1 rounded-full bg-[#ff3d5e]" />
        </span>
      )}
    </span>
  );
}

function Large({ onClose, ...props }: Props & { onClose: () => void }) {
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  const { width, height } = props.picture.size;
  return (
    <dialog
      ref={ref}
      aria-label={props.alt}
      className="m-auto max-w-none overflow-hidden rounded-xl bg-transparent p-0"
      style={{ width: `min(95vw, ${(90 * width) / height}vh, ${width}px)` }}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <button
        type="button"
        aria-label="Close the picture"
        className="block w-full cursor-zoom-out"
        onClick={onClose}
      >
        <Marked {...props} />
      </button>
    </dialog>
  );
}
