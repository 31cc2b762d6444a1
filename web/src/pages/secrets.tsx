// Secrets: what the agent may type without ever reading it.
import { type FormEvent, useRef, useState } from "react";
import { ApiError, explain } from "../api/problem";
import {
  asSecretName,
  isSecretName,
  placeholderOf,
  useDeleteSecret,
  useSecrets,
  useStoreSecret,
} from "../api/secrets";
import type { Secret } from "../api/types";
import { Button } from "../ui/button";
import { Code } from "../ui/code";
import { Confirm } from "../ui/confirm";
import { Field } from "../ui/field";
import { LockIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { day } from "../ui/time";

export function Secrets() {
  const secrets = useSecrets();
  return (
    <section
      aria-labelledby="secrets"
      className="mt-6 rounded-2xl border border-line bg-surface p-5 shadow-card sm:p-6"
    >
      <h2 id="secrets" className="flex items-center gap-2.5 text-lg font-semibold">
        <LockIcon className="size-5 text-accent" /> Secrets
      </h2>
      <p className="mt-1.5 text-muted">
        A password, a PIN, a token: where the agent types <Code>{placeholderOf("NAME")}</Code>, the desktop
        gets the value. The agent can type it without ever reading it, and the record shows only the name.
      </p>
      {secrets.isError && (
        <Notice tone="bad" className="mt-4">
          {explain(secrets.error)}
        </Notice>
      )}
      {secrets.data && secrets.data.length > 0 && (
        <ul
          role="list"
          aria-label="Stored secrets"
          className="mt-5 divide-y divide-line rounded-xl bg-sunken"
        >
          {secrets.data.map((secret) => (
            <StoredSecret key={secret.name} secret={secret} />
          ))}
        </ul>
      )}
      {secrets.data && <SecretForm known={secrets.data} />}
    </section>
  );
}

function SecretForm({ known }: { known: Secret[] }) {
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const [missing, setMissing] = useState<{ name?: string; value?: string }>({});
  const store = useStoreSecret();
  const first = useRef<HTMLInputElement>(null);
  const replaces = known.some((secret) => secret.name === name);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const lacks: typeof missing = {};
    if (!isSecretName(name)) lacks.name = "Begin with a letter; then letters, digits and _.";
    if (value === "") lacks.value = "Enter the value.";
    setMissing(lacks);
    if (Object.keys(lacks).length > 0) return;
    store.mutate(
      { name, value },
      {
        onSuccess: () => {
          setName("");
          setValue("");
          store.reset();
          first.current?.focus();
        },
      },
    );
  };

  const refused = store.error instanceof ApiError && store.error.status === 422;
  return (
    <form className="mt-5" onSubmit={submit} noValidate autoComplete="off">
      <div className="flex items-start gap-2 max-sm:flex-col max-sm:items-stretch">
        <Field
          ref={first}
          className="flex-1"
          label="Secret's name"
          name="secret-name"
          placeholder="BANK_PIN"
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
          value={name}
          error={missing.name}
          hint={replaces ? "A new value takes the place of the stored one." : undefined}
          onChange={(event) => setName(asSecretName(event.target.value))}
        />
        <Field
          className="flex-1"
          label="Value"
          type="password"
          name="secret-value"
          autoComplete="off"
          spellCheck={false}
          maxLength={4096}
          value={value}
          error={missing.value ?? (refused ? explain(store.error) : undefined)}
          onChange={(event) => setValue(event.target.value)}
        />
        <Button look="primary" type="submit" className="sm:mt-[1.6875rem]" busy={store.isPending}>
          Save secret
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

function StoredSecret({ secret }: { secret: Secret }) {
  const [deleting, setDeleting] = useState(false);
  return (
    <li data-testid="secret" className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3">
      <div className="mr-auto min-w-0">
        <p className="font-mono text-sm [overflow-wrap:anywhere]">{secret.name}</p>
        <p className="text-sm text-faint">Stored {day(secret.stored_at)}</p>
      </div>
      <Button
        size="small"
        look="quiet"
        aria-label={`Delete ${secret.name}`}
        onClick={() => setDeleting(true)}
      >
        Delete
      </Button>
      {deleting && <DeleteSecret name={secret.name} onClose={() => setDeleting(false)} />}
    </li>
  );
}

function DeleteSecret({ name, onClose }: { name: string; onClose: () => void }) {
  const remove = useDeleteSecret();
  return (
    <Confirm
      title={`Delete ${name}?`}
      verb="Delete secret"
      doing={remove}
      onConfirm={() => remove.mutate(name, { onSuccess: onClose })}
      onClose={onClose}
    >
      Where the agent types {placeholderOf(name)} from now on, it is told that there is no such secret.
    </Confirm>
  );
}
