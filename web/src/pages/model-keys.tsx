// The keys that the agent thinks with: one card for each provider of models.
import { useKeys } from "../api/keys";
import { explain } from "../api/problem";
import { lacksKey, useProviders } from "../api/providers";
import { Button } from "../ui/button";
import { KeyIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { ProviderCard } from "./provider-card";

export function ModelKeys() {
  const keys = useKeys();
  const providers = useProviders();
  const listed = providers.data ?? [];
  // A provider that the operator has taken away leaves its key behind, which can still be deleted.
  const left = (keys.data ?? []).filter((key) => !listed.some(({ name }) => name === key.provider));
  const failed = providers.error ?? keys.error;
  const known = providers.data && keys.data;
  const silent = known && listed.every(({ name }) => lacksKey(name, listed, keys.data));
  return (
    <section
      aria-labelledby="model"
      className="rounded-2xl border border-line bg-surface p-5 shadow-card sm:p-6"
    >
      <h2 id="model" className="flex items-center gap-2.5 text-lg font-semibold">
        <KeyIcon className="size-5 text-accent" /> Model keys
      </h2>
      <p className="mt-1.5 text-muted">
        The agent thinks with a model of a provider, by a key of yours. Keys are sealed in CloudBot&rsquo;s
        database: they never reach a desktop, and nobody can read them back here.
      </p>
      {failed && (
        <>
          <Notice tone="bad" className="mt-4">
            {explain(failed)}
          </Notice>
          <Button
            size="small"
            className="mt-3"
            busy={providers.isFetching || keys.isFetching}
            onClick={() => {
              void providers.refetch();
              void keys.refetch();
            }}
          >
            Try again
          </Button>
        </>
      )}
      {known && (
        <div className="mt-5 space-y-4">
          {listed.map((provider) => (
            <ProviderCard
              key={provider.name}
              name={provider.name}
              provider={provider}
              stored={known.find((key) => key.provider === provider.name)}
            />
          ))}
          {left.map((key) => (
            <ProviderCard key={key.provider} name={key.provider} provider={undefined} stored={key} />
          ))}
        </div>
      )}
      {silent && (
        <Notice className="mt-5">
          No key is needed to use a desktop. Without one the chat is a console: commands such as{" "}
          <code className="font-mono text-[0.85em]">/screenshot</code>,{" "}
          <code className="font-mono text-[0.85em]">/click 300 200</code> and{" "}
          <code className="font-mono text-[0.85em]">!ls</code> use the same tools that the agent uses.
        </Notice>
      )}
    </section>
  );
}
