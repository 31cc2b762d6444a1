// Settings: the keys that the agent thinks with, and the secrets that it types.
import { useTitle } from "../ui/title";
import { ModelKeys } from "./model-keys";
import { Secrets } from "./secrets";

export function SettingsPage() {
  useTitle("Settings");
  return (
    <div className="max-w-2xl">
      <h1 className="mb-6 text-2xl font-semibold tracking-tight">Settings</h1>
      <ModelKeys />
      <Secrets />
    </div>
  );
}
