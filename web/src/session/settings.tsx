// How a session is to work: which model, whose word it needs, how much it may use.
import { type FormEvent, useState } from "react";
import { explain } from "../api/problem";
import type { ApprovalPolicy, Session } from "../api/types";
import { Area } from "../ui/area";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Field } from "../ui/field";
import { Notice } from "../ui/notice";
import { type Errors, fromForm, hasPrices, LONGEST_PROMPT, type SettingsForm, toForm } from "./form";
import { ModelChoice } from "./model-choice";
import { useChangeSession, useModels } from "./queries";
import { ToolRules } from "./tool-rules";
import { type Radio, Radios } from "../ui/radios";

interface Props {
  session: Session;
  onClose: () => void;
}

const POLICIES: Radio<ApprovalPolicy>[] = [
  {
    value: "never",
    name: "Never",
    means: "The agent acts without asking, except where its model's provider wants a person to look first.",
  },
  {
    value: "risky",
    name: "Before risky actions",
    means: "It asks before commands, written files, tools of others, secrets, and keys that submit.",
  },
  { value: "always", name: "Always", means: "It asks before every action." },
];

export function SessionSettingsDialog({ session, onClose }: Props) {
  const models = useModels();
  const change = useChangeSession(session);
  const [form, setForm] = useState(() => toForm(session.settings));
  const [errors, setErrors] = useState<Errors>({});
  const set = (part: Partial<SettingsForm>) => setForm((before) => ({ ...before, ...part }));
  const priced = hasPrices(form, models.data);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    // Not known is not the same as none: what is set of money stays while the models are not told.
    const read = fromForm(form, models.data ? priced : form.dollars !== "");
    if ("errors" in read) {
      setErrors(read.errors);
      return;
    }
    setErrors({});
    change.mutate({ settings: read.settings }, { onSuccess: onClose });
  };

  return (
    <Dialog wide title="Session settings" onClose={onClose}>
      <p className="mt-1 text-sm text-muted">A change counts from the agent&rsquo;s next step on.</p>
      <form className="mt-5 space-y-6" onSubmit={submit} noValidate>
        <ModelChoice value={form.model} onChange={(model) => set({ model })} />
        <Area
          label="Instructions"
          hint="Told to the model behind CloudBot's own instructions."
          rows={4}
          maxLength={LONGEST_PROMPT}
          value={form.systemPrompt}
          onChange={(event) => set({ systemPrompt: event.target.value })}
        />
        <Radios
          legend="Ask for a person’s word"
          name="approvals"
          radios={POLICIES}
          value={form.approvals}
          onChange={(approvals) => set({ approvals })}
        >
          <Field
            className="mt-3 max-w-56"
            label="Minutes to answer"
            hint="No answer in time means no."
            inputMode="decimal"
            value={form.timeoutMinutes}
            error={errors.timeoutMinutes}
            onChange={(event) => set({ timeoutMinutes: event.target.value })}
          />
        </Radios>
        <ToolRules rules={form.tools} onChange={(tools) => set({ tools })} />
        <Budgets form={form} errors={errors} unpriced={models.data !== undefined && !priced} onChange={set} />
        {change.isError && <Notice tone="bad">{explain(change.error)}</Notice>}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" busy={change.isPending}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

interface BudgetProps {
  form: SettingsForm;
  errors: Errors;
  unpriced: boolean;
  onChange: (part: Partial<SettingsForm>) => void;
}

function Budgets({ form, errors, unpriced, onChange }: BudgetProps) {
  return (
    <fieldset className="min-w-0">
      <legend className="text-sm font-medium">Budgets of the whole session</legend>
      <p className="mb-2.5 text-sm text-faint">The agent stops there. Empty: no bound.</p>
      <div className="grid grid-cols-2 gap-x-3 gap-y-3 sm:grid-cols-4">
        <Field
          label="Steps"
          inputMode="numeric"
          value={form.steps}
          error={errors.steps}
          onChange={(event) => onChange({ steps: event.target.value })}
        />
        <Field
          label="Minutes at work"
          inputMode="decimal"
          value={form.minutes}
          error={errors.minutes}
          onChange={(event) => onChange({ minutes: event.target.value })}
        />
        <Field
          label="Tokens"
          inputMode="numeric"
          value={form.tokens}
          error={errors.tokens}
          onChange={(event) => onChange({ tokens: event.target.value })}
        />
        <Field
          label="US dollars"
          inputMode="decimal"
          value={unpriced ? "" : form.dollars}
          disabled={unpriced}
          error={unpriced ? undefined : errors.dollars}
          hint={unpriced ? "The prices of this model are not known here." : undefined}
          onChange={(event) => onChange({ dollars: event.target.value })}
        />
      </div>
    </fieldset>
  );
}
