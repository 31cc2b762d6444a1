// The chat's half of the split view: which session, and a first message that begins one.
import { type Ref, useImperativeHandle, useRef } from "react";
import { useSearchParams } from "react-router";
import { useKeys } from "../api/keys";
import { explain } from "../api/problem";
import { lacksKey, useProviders } from "../api/providers";
import type { Desktop } from "../api/types";
import type { Control } from "../desktop/control";
import { SessionMenu } from "../session/menu";
import { SessionPicker } from "../session/picker";
import { modelOf } from "../session/models";
import { useCreateSession, useModels, useSession, useSessions } from "../session/queries";
import { Button } from "../ui/button";
import { Notice } from "../ui/notice";
import { Spinner } from "../ui/spinner";
import { Composer, type ComposerHandle } from "./composer";
import { Conversation } from "./conversation";
import { NoModel } from "./no-model";
import { keep } from "./outbox";

interface Props {
  desktop: Desktop;
  control: Control;
  composer: Ref<ComposerHandle>;
}

export function ChatPanel({ desktop, control, composer }: Props) {
  const sessions = useSessions(desktop.id);
  const keys = useKeys();
  const providers = useProviders();
  const models = useModels();
  const [params, setParams] = useSearchParams();
  const asked = params.get("session");
  const list = sessions.data ?? [];
  const listed = list.find(({ id }) => id === asked);
  // An archived session, or one of long ago, is shown too when it is asked for.
  const away = sessions.data !== undefined && asked !== null && asked !== "new" && !listed;
  const other = useSession(away ? asked : undefined);
  const found = other.data?.desktop_id === desktop.id ? other.data : undefined;
  const looking = sessions.isPending || (away && other.isPending);
  const current = asked === "new" || looking ? undefined : (listed ?? (away ? found : undefined) ?? list[0]);
  const model = modelOf(current?.settings.model, models.data);
  const noKey = lacksKey(model?.provider, providers.data, keys.data);
  const pick = (id: string | undefined) => setParams({ session: id ?? "new" }, { replace: true });

  return (
    <section aria-label="Chat" className="flex h-full min-h-0 flex-col bg-bg">
      <div className="flex h-12 shrink-0 items-center border-b border-line px-2">
        <SessionPicker sessions={list} current={current} onPick={pick} />
        <SessionMenu
          key={current?.id ?? "new"}
          desktopId={desktop.id}
          session={current}
          onPick={pick}
          onGone={() => setParams({}, { replace: true })}
        />
      </div>
      {looking && (
        <div role="status" aria-label="Loading the sessions" className="grid flex-1 place-items-center">
          <Spinner className="size-5 text-faint" />
        </div>
      )}
      {sessions.isError && !sessions.data && (
        <div className="p-4">
          <Notice tone="bad">{explain(sessions.error)}</Notice>
          <Button size="small" className="mt-3" onClick={() => void sessions.refetch()}>
            Try again
          </Button>
        </div>
      )}
      {current && (
        <Conversation
          key={current.id}
          session={current}
          desktop={desktop}
          control={control}
          noKey={noKey}
          composer={composer}
        />
      )}
      {sessions.data && !looking && !current && (
        <Beginning desktop={desktop} noKey={noKey} composer={composer} onBegun={pick} />
      )}
    </section>
  );
}

interface BeginningProps {
  desktop: Desktop;
  noKey: boolean;
  composer: Ref<ComposerHandle>;
  onBegun: (sessionId: string) => void;
}

const IDEAS = [
  "Open the browser and find tomorrow's weather in Lisbon.",
  "Open a terminal and tell me how much disk space is free.",
  "Write a short poem into a file in the home folder, then show it on the screen.",
];

// No session yet: it is created together with its first message.
function Beginning({ desktop, noKey, composer, onBegun }: BeginningProps) {
  const create = useCreateSession(desktop.id);
  const field = useRef<ComposerHandle>(null);
  useImperativeHandle(composer, () => ({
    focus: () => field.current?.focus(),
    suggest: (text) => field.current?.suggest(text),
  }));
  const begin = async (text: string) => {
    try {
      const session = await create.mutateAsync();
      keep(session.id, { clientId: crypto.randomUUID(), text, typedAt: Date.now(), after: 0 });
      onBegun(session.id);
      return true;
    } catch {
      // Shown below; the text stays in the field.
      return false;
    }
  };
  return (
    <>
      <div className="flex min-h-0 flex-1 flex-col overflow-y-auto px-4">
        <div className="m-auto w-full max-w-sm py-6">
          <h2 className="text-lg font-semibold">{noKey ? "Try a command" : "What should be done?"}</h2>
          <p className="mt-1 mb-4 text-muted">
            {noKey
              ? "You see the screen on the other side; from here you can use it by commands."
              : "The agent sees the screen, uses mouse and keyboard, and runs commands. You can watch, and help."}
          </p>
          {!noKey && (
            <ul role="list" className="space-y-2">
              {IDEAS.map((idea) => (
                <li key={idea}>
                  <button
                    type="button"
                    className="w-full rounded-xl border border-line bg-surface px-3.5 py-2.5 text-left text-sm hover:border-line-strong hover:bg-raised"
                    onClick={() => field.current?.suggest(idea)}
                  >
                    {idea}
                  </button>
                </li>
              ))}
            </ul>
          )}
          {noKey && <NoModel compact={false} onTry={(text) => field.current?.suggest(text)} />}
        </div>
      </div>
      <div className="mx-auto w-full max-w-2xl space-y-2 px-4 pt-1 pb-4">
        {create.isError && <Notice tone="bad">{explain(create.error)}</Notice>}
        <Composer
          ref={field}
          placeholder={noKey ? "A command, such as /screenshot" : "What should the agent do?"}
          working={false}
          previous={undefined}
          onSend={begin}
          onStop={() => undefined}
        />
      </div>
    </>
  );
}
