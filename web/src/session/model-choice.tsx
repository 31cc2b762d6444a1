// Which model answers a session; says so when it cannot answer yet.
import { Link } from "react-router";
import { useKeys } from "../api/keys";
import { explain } from "../api/problem";
import { lacksKey, titleOfProvider, useProviders } from "../api/providers";
import type { ModelChoice as Model } from "../api/types";
import { Choice } from "../ui/choice";
import { Notice } from "../ui/notice";
import { byProvider, modelOf } from "./models";
import { useModels } from "./queries";

interface Props {
  // Empty: the operator's default.
  value: string;
  onChange: (name: string) => void;
}

export function ModelChoice({ value, onChange }: Props) {
  const models = useModels();
  const providers = useProviders();
  const keys = useKeys();
  const usual = modelOf("", models.data);
  const chosen = modelOf(value, models.data);
  const gone = value !== "" && models.data && chosen?.name !== value;
  const groups = byProvider(models.data ?? []);
  return (
    <div>
      <Choice label="Model" value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">{usual ? `Default (${usual.name})` : "Default"}</option>
        {gone && <option value={value}>{value} (not offered any more)</option>}
        {groups.length > 1
          ? groups.map(({ provider, title, models: own }) => (
              <optgroup key={provider} label={title}>
                <Options models={own} />
              </optgroup>
            ))
          : groups.map(({ provider, models: own }) => <Options key={provider} models={own} />)}
      </Choice>
      <div aria-live="polite">
        {chosen && lacksKey(chosen.provider, providers.data, keys.data) && (
          <Notice tone="warn" className="mt-2">
            <span data-testid="model-lacks-key">
              {chosen.name} cannot answer yet: there is no key for {titleOfProvider(chosen.provider)}.{" "}
              {/* In a tab of its own: what was changed in this form is not lost. */}
              <Link to="/settings" target="_blank" className="font-medium text-accent underline">
                Add a key<span className="sr-only"> (opens a new tab)</span>
              </Link>
            </span>
          </Notice>
        )}
      </div>
      {models.isError && (
        <Notice tone="warn" className="mt-2">
          {explain(models.error)}
        </Notice>
      )}
    </div>
  );
}

function Options({ models }: { models: Model[] }) {
  return models.map(({ name }) => (
    <option key={name} value={name}>
      {name}
    </option>
  ));
}
