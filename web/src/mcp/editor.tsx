// The form of an MCP server: adds one to a desktop, or changes one.
import { type FormEvent, useEffect, useRef, useState } from "react";
import { explain } from "../api/problem";
import type { McpServer } from "../api/types";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Field } from "../ui/field";
import { Notice } from "../ui/notice";
import { asServerName, EMPTY, type Errors, fromForm, type ServerForm, toForm, type Way } from "./form";
import { useSaveServer } from "./queries";
import { AddressFields, ProcessFields } from "./ways";
import { type Radio, Radios } from "../ui/radios";

interface Props {
  desktopId: string;
  // Absent: it is a new one.
  server?: McpServer;
  onClose: () => void;
}

const WAYS: Radio<Way>[] = [
  {
    value: "stdio",
    name: "A program on the desktop",
    means: "It is started there as the desktop's user, and spoken to over its standard input and output.",
  },
  {
    value: "http",
    name: "An address (HTTP)",
    means: "It runs somewhere already, and is reached from the desktop's own network.",
  },
];

export function ServerEditor({ desktopId, server, onClose }: Props) {
  const [form, setForm] = useState(() => (server ? toForm(server) : EMPTY));
  const [errors, setErrors] = useState<Errors>({});
  const save = useSaveServer(desktopId, server !== undefined);
  const set = (part: Partial<ServerForm>) => {
    setForm((before) => ({ ...before, ...part }));
    setErrors((before) => without(before, part));
    // What was said of the whole form does not stand beside another.
    if (save.isError) save.reset();
  };
  const root = useRef<HTMLFormElement>(null);

  // The form is longer than a small screen: what is wrong must not be out of sight.
  const [refusals, setRefusals] = useState(0);
  useEffect(() => {
    root.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [refusals]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const read = fromForm(form);
    if ("config" in read) {
      save.mutate(read.config, { onSuccess: onClose });
      return;
    }
    setErrors(read.errors);
    setRefusals((count) => count + 1);
  };

  return (
    <Dialog wide title={server ? `Edit ${server.name}` : "Add an MCP server"} onClose={onClose}>
      <form ref={root} className="mt-5 space-y-5" onSubmit={submit} noValidate autoComplete="off">
        {server && !server.transport && (
          <Notice tone="warn">What was stored of it cannot be read any more: write it anew.</Notice>
        )}
        {!server && (
          <Field
            label="Name"
            name="server-name"
            placeholder="github"
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            value={form.name}
            error={errors.name}
            hint={`The agent calls its tools mcp__${form.name || "NAME"}__TOOL. It cannot be renamed later.`}
            onChange={(event) => set({ name: asServerName(event.target.value) })}
          />
        )}
        <Radios
          legend="What it is"
          name="way"
          radios={WAYS}
          value={form.way}
          onChange={(way) => set({ way })}
        />
        {form.way === "stdio" ? (
          <ProcessFields
            form={form}
            errors={errors}
            stored={server?.transport?.type === "stdio"}
            onChange={set}
          />
        ) : (
          <AddressFields
            form={form}
            errors={errors}
            stored={server?.transport?.type === "http"}
            onChange={set}
          />
        )}
        <label className="flex items-center gap-2.5 text-sm font-medium">
          <input
            type="checkbox"
            checked={form.autostart}
            className="size-4 accent-accent"
            onChange={(event) => set({ autostart: event.target.checked })}
          />
          Start with the desktop
        </label>
        {/* At hand wherever a long form is scrolled to, and with it what was refused. */}
        <div className="sticky bottom-0 -mx-5 -mb-5 border-t border-line bg-raised px-5 py-4 sm:-mx-6 sm:-mb-6 sm:px-6">
          {save.isError && (
            <Notice tone="bad" className="mb-4">
              {explain(save.error)}
            </Notice>
          )}
          <div className="flex justify-end gap-2">
            <Button onClick={onClose}>Cancel</Button>
            <Button look="primary" type="submit" busy={save.isPending}>
              {server ? "Save" : "Add server"}
            </Button>
          </div>
        </div>
      </form>
    </Dialog>
  );
}

// What was said of a field does not stand beside what is written in it now.
function without(errors: Errors, changed: Partial<ServerForm>): Errors {
  return Object.fromEntries(Object.entries(errors).filter(([field]) => !Object.hasOwn(changed, field)));
}
