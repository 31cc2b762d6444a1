// Settings: the key that the agent thinks with, and the secrets that it types.
import { type FormEvent, useState } from "react";
import { useCheckKey, useDeleteKey, useKeys, useStoreKey } from "../api/keys";
import { ApiError, explain } from "../api/problem";
import type { ProviderKey } from "../api/types";
import { Button } from "../ui/button";
import { Confirm } from "../ui/confirm";
import { Field } from "../ui/field";
import { CheckIcon, CrossIcon, KeyIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { day } from "../ui/time";
import { useTitle } from "../ui/title";
import { Secrets } from "./secrets";

export function SettingsPage() {
  useTitle("Settings");
  const keys = useKeys();
  const stored = keys.data?.find((key) => key.provider === "anthropic");
  return (
    <div className="max-w-2xl">
      <h1 className="mb-6 text-2xl font-semibold tracking-tight">Settings</h1>
      <section
        aria-labelledby="model"
        className="rounded-2xl border border-line bg-surface p-5 shadow-card sm:p-6"
      >
        <h2 id="model" className="flex items-center gap-2.5 text-lg font-semibold">
          <KeyIcon className="size-5 text-accent" /> Model keys
        </h2>
        <p className="mt-1.5 text-muted">
          The agent thinks with Claude, by a key of yours. The key is sealed in CloudBot&rsquo;s database: it
          never reaches a desktop, and nobody can read it back here.
        </p>
        {keys.isError && (
          <Notice tone="bad" className="mt-4">
            {explain(keys.error)}
          </Notice>
        )}
        {/* What a check said of an earlier key does not stay beside a new one. */}
        {stored && <StoredKey key={stored.stored_at} stored={stored} />}
        {keys.data && <KeyForm replaces={stored !== undefined} />}
        {keys.data && !stored && (
          <Notice className="mt-5">
            No key is needed to use a desktop. Without one the chat is a console: commands such as{" "}
            <code className="font-mono text-[0.85em]">/screenshot</code>,{" "}
            <code className="font-mono text-[0.85em]">/click 300 200</code> and{" "}
            <code className="font-mono text-[0.85em]">!ls</code> use the same tools that the agent uses.
          </Notice>
        )}
      </section>
      <Secrets />
    </div>
  );
}

function KeyForm({ replaces }: { replaces: boolean }) {
  const [key, setKey] = useState("");
  const [missing, setMissing] = useState(false);
  const store = useStoreKey();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const given = key.trim();
    setMissing(given === "");
    if (given) store.mutate(given, { onSuccess: () => setKey("") });
  };
  const refused = store.error instanceof ApiError && store.error.status === 422;
  const beside = missing ? "Enter a key first." : refused ? explain(store.error) : undefined;
  return (
    <form className="mt-5" onSubmit={submit} noValidate>
      <div className="flex items-start gap-2 max-sm:flex-col max-sm:items-stretch">
        <Field
          className="flex-1"
          label="Anthropic API key"
          type="password"
          name="anthropic-key"
          autoComplete="off"
          spellCheck={false}
          placeholder="sk-ant-…"
          value={key}
          error={beside}
          hint={
            replaces
              ? "A new key takes the place of the stored one."
              : "From console.anthropic.com, under API keys."
          }
          onChange={(event) => setKey(event.target.value)}
        />
        <Button look="primary" type="submit" className="sm:mt-[1.6875rem]" busy={store.isPending}>
          Save key
        </Button>
      </div>
      {store.isError && !refused && (
        <Notice tone="bad" className="mt-3">
          {explain(store.error)}
        </Notice>
      )}
    </form>
  );
}

function StoredKey({ stored }: { stored: ProviderKey }) {
  const check = useCheckKey();
  const [deleting, setDeleting] = useState(false);
  return (
    <div className="mt-5 rounded-xl bg-sunken p-4">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-3">
        <div className="mr-auto">
          <p data-testid="key-masked" className="font-mono">
            {stored.masked}
          </p>
          <p className="text-sm text-faint">Anthropic, stored {day(stored.stored_at)}</p>
        </div>
        <div className="flex gap-2">
          <Button size="small" busy={check.isPending} onClick={() => check.mutate()}>
            Check key
          </Button>
          <Button size="small" look="quiet" onClick={() => setDeleting(true)}>
            Delete key
          </Button>
        </div>
      </div>
      <div aria-live="polite">
        {check.data && (
          <p
            data-testid="key-check"
            data-accepted={check.data.accepted}
            className={`mt-3 flex items-start gap-2 text-sm ${check.data.accepted ? "text-good" : "text-bad"}`}
          >
            {check.data.accepted ? (
              <CheckIcon className="mt-0.5 size-4" />
            ) : (
              <CrossIcon className="mt-0.5 size-4" />
            )}
            {check.data.detail}
          </p>
        )}
        {check.isError && (
          <Notice tone="bad" className="mt-3">
            {explain(check.error)}
          </Notice>
        )}
      </div>
      {deleting && <DeleteKey onClose={() => setDeleting(false)} />}
    </div>
  );
}

function DeleteKey({ onClose }: { onClose: () => void }) {
  const remove = useDeleteKey();
  return (
    <Confirm
      title="Delete the key?"
      verb="Delete key"
      doing={remove}
      onConfirm={() => remove.mutate(undefined, { onSuccess: onClose })}
      onClose={onClose}
    >
      The agent stops thinking: the chats become consoles until you store a key again.
    </Confirm>
  );
}
