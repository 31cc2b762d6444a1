// One provider of models: its key, and what can be done with it.
import { type FormEvent, useId, useState } from "react";
import { useCheckKey, useDeleteKey, useStoreKey } from "../api/keys";
import { ApiError, explain } from "../api/problem";
import { titleOfProvider } from "../api/providers";
import type { ModelProvider, ProviderKey } from "../api/types";
import { Button } from "../ui/button";
import { Confirm } from "../ui/confirm";
import { Field } from "../ui/field";
import { CheckIcon, CrossIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { day } from "../ui/time";

interface Props {
  name: string;
  // Absent: the operator does not offer it any more.
  provider: ModelProvider | undefined;
  stored: ProviderKey | undefined;
}

export function ProviderCard({ name, provider, stored }: Props) {
  const heading = useId();
  return (
    <section
      aria-labelledby={heading}
      data-testid="provider"
      data-provider={name}
      className="rounded-xl border border-line p-4"
    >
      <h3 id={heading} className="font-semibold [overflow-wrap:anywhere]">
        {titleOfProvider(name)}
      </h3>
      {provider?.needs_key === false && (
        <p className="mt-0.5 text-sm text-muted">
          Works without a key. One that you store all the same is sent with every request.
        </p>
      )}
      {!provider && (
        <p className="mt-0.5 text-sm text-muted">No model of this provider is offered here any more.</p>
      )}
      {/* What a check said of an earlier key does not stay beside a new one. */}
      {stored && (
        <StoredKey key={stored.stored_at} stored={stored} provider={provider} describedBy={heading} />
      )}
      {provider && <KeyForm name={name} replaces={stored !== undefined} describedBy={heading} />}
    </section>
  );
}

// Where the key is found, and what one looks like.
const HINTS = new Map([
  ["anthropic", { from: "From console.anthropic.com, under API keys.", like: "sk-ant-…" }],
  ["openai", { from: "From platform.openai.com, under API keys.", like: "sk-…" }],
]);

interface KeyFormProps {
  name: string;
  replaces: boolean;
  // Buttons of several cards have one name: this tells them apart.
  describedBy: string;
}

function KeyForm({ name, replaces, describedBy }: KeyFormProps) {
  const [key, setKey] = useState("");
  const [missing, setMissing] = useState(false);
  const store = useStoreKey(name);
  const hint = HINTS.get(name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const given = key.trim();
    setMissing(given === "");
    if (given) store.mutate(given, { onSuccess: () => setKey("") });
  };
  const refused = store.error instanceof ApiError && store.error.status === 422;
  const beside = missing ? "Enter a key first." : refused ? explain(store.error) : undefined;
  return (
    <form className="mt-4" onSubmit={submit} noValidate>
      <div className="flex items-start gap-2 max-sm:flex-col max-sm:items-stretch">
        <Field
          className="min-w-0 flex-1"
          label={`${titleOfProvider(name)} API key`}
          type="password"
          name={`${name}-key`}
          autoComplete="off"
          spellCheck={false}
          placeholder={hint?.like}
          value={key}
          error={beside}
          hint={replaces ? "A new key takes the place of the stored one." : hint?.from}
          onChange={(event) => setKey(event.target.value)}
        />
        <Button
          look="primary"
          type="submit"
          className="sm:mt-[1.6875rem]"
          busy={store.isPending}
          aria-describedby={describedBy}
        >
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

interface StoredKeyProps {
  stored: ProviderKey;
  provider: ModelProvider | undefined;
  describedBy: string;
}

function StoredKey({ stored, provider, describedBy }: StoredKeyProps) {
  const check = useCheckKey(stored.provider);
  const [deleting, setDeleting] = useState(false);
  return (
    <div className="mt-3 rounded-xl bg-sunken p-4">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-3">
        <div className="mr-auto">
          <p data-testid="key-masked" className="font-mono">
            {stored.masked}
          </p>
          <p className="text-sm text-faint">Stored {day(stored.stored_at)}</p>
        </div>
        <div className="flex gap-2">
          {provider && (
            <Button
              size="small"
              busy={check.isPending}
              aria-describedby={describedBy}
              onClick={() => check.mutate()}
            >
              Check key
            </Button>
          )}
          <Button size="small" look="quiet" aria-describedby={describedBy} onClick={() => setDeleting(true)}>
            Delete key
          </Button>
        </div>
      </div>
      <div aria-live="polite">
        {check.data && (
          <p
            data-testid="key-check"
            data-accepted={check.data.accepted}
            className={`mt-3 flex items-start gap-2 text-sm [overflow-wrap:anywhere] ${check.data.accepted ? "text-good" : "text-bad"}`}
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
      {deleting && (
        <DeleteKey name={stored.provider} needed={provider?.needs_key} onClose={() => setDeleting(false)} />
      )}
    </div>
  );
}

interface DeleteKeyProps {
  name: string;
  // Absent: nothing of this provider is offered.
  needed: boolean | undefined;
  onClose: () => void;
}

function DeleteKey({ name, needed, onClose }: DeleteKeyProps) {
  const remove = useDeleteKey(name);
  const title = titleOfProvider(name);
  return (
    <Confirm
      title="Delete the key?"
      verb="Delete key"
      doing={remove}
      onConfirm={() => remove.mutate(undefined, { onSuccess: onClose })}
      onClose={onClose}
    >
      {needed
        ? `The agent stops thinking with models of ${title}: their chats become consoles until you store a key again.`
        : `The stored key of ${title} is gone for good.`}
    </Confirm>
  );
}
