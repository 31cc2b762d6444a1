// Before control goes back to the agent: what it will see, and a word to it.
import { type FormEvent, useCallback, useState } from "react";
import { explain } from "../api/problem";
import { Area } from "../ui/area";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { LockIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { Spinner } from "../ui/spinner";
import { useHandBack, usePreview } from "./control";

interface Props {
  desktopId: string;
  onClose: () => void;
}

const LONGEST_NOTE = 10_000;

export function HandBackDialog({ desktopId, onClose }: Props) {
  const preview = usePreview(desktopId);
  const handBack = useHandBack(desktopId);
  const [note, setNote] = useState("");
  const [show, setShow] = useState(true);
  const retake = () => {
    handBack.reset();
    void preview.refetch();
  };
  // A picture that could not be taken again is not the one that stands there.
  const shown = preview.isError || preview.isFetching ? undefined : preview.data;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (show && !shown) return;
    const picture = show && shown ? shown.sha256 : null;
    handBack.mutate({ note: note.trim() || null, picture }, { onSuccess: onClose });
  };

  return (
    <Dialog wide title="Hand control back" onClose={onClose}>
      <form onSubmit={submit}>
        <p className="mt-2 flex items-start gap-2 text-sm text-muted">
          <LockIcon className="mt-0.5 size-4 text-good" />
          <span>
            While you drove, nothing of the screen went to the model or into the record. What the agent gets
            now is what you see here.
          </span>
        </p>
        <div className="mt-4 overflow-hidden rounded-xl border border-line bg-sunken">
          {preview.isFetching ? (
            <p role="status" className="flex items-center justify-center gap-2.5 p-12 text-sm text-muted">
              <Spinner /> Taking the picture…
            </p>
          ) : preview.isError ? (
            <Notice tone="bad" className="rounded-none">
              {explain(preview.error)}
            </Notice>
          ) : (
            preview.data && <PreviewPicture picture={preview.data.picture} given={show} />
          )}
        </div>
        <div className="mt-2.5 flex flex-wrap items-center justify-between gap-2">
          <label className="flex items-center gap-2 text-sm">
            <input
              type="checkbox"
              className="size-4 accent-accent"
              checked={show}
              onChange={(event) => setShow(event.target.checked)}
            />
            Show the agent this picture
          </label>
          <Button size="small" look="quiet" busy={preview.isFetching} onClick={retake}>
            Retake
          </Button>
        </div>
        <Area
          className="mt-4"
          label="Note to the agent"
          hint="Optional: what you did, and what it should do now."
          rows={3}
          maxLength={LONGEST_NOTE}
          value={note}
          onChange={(event) => setNote(event.target.value)}
        />
        {handBack.isError && (
          <Notice tone="bad" className="mt-4">
            {explain(handBack.error)}
          </Notice>
        )}
        <div className="mt-6 flex justify-end gap-2">
          <Button onClick={onClose}>Keep driving</Button>
          <Button look="primary" type="submit" busy={handBack.isPending} disabled={show && !shown}>
            Hand back
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function PreviewPicture({ picture, given }: { picture: Blob; given: boolean }) {
  const draw = useCallback(
    (image: HTMLImageElement) => {
      const url = URL.createObjectURL(picture);
      image.src = url;
      return () => URL.revokeObjectURL(url);
    },
    [picture],
  );
  return (
    <img
      ref={draw}
      data-testid="hand-back-picture"
      alt={given ? "The screen, as the agent will see it" : "The screen; the agent will not see it"}
      className={`max-h-[45dvh] w-full object-contain transition-opacity ${given ? "" : "opacity-30"}`}
    />
  );
}
