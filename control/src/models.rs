//! The operator's model table: which providers and models there are, read once at the start.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    path::Path,
};

use anyhow::{Context, bail, ensure};
use protocol::{
    address::is_private,
    key::{ModelProvider, ProviderName},
    model::{ComputerTool, Model, ModelApi, Prices},
};
use serde::Deserialize;
use url::Url;

/// At least one model, each under a name of its own, and the providers that can be had.
#[derive(Debug, Clone)]
pub struct Models {
    models: Vec<Model>,
    providers: Providers,
}

pub type Providers = BTreeMap<ProviderName, Provider>;

/// Where a provider is, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    pub api: ModelApi,
    /// To which the API's own path is added.
    pub base_url: Url,
    pub needs_key: bool,
    /// Only what the operator has said to be inside may be inside.
    pub allow_private: bool,
}

/// The file `CLOUDBOT_MODELS`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    providers: Vec<ProviderEntry>,
    models: Vec<ModelEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderEntry {
    name: ProviderName,
    #[serde(default = "chat")]
    api: ModelApi,
    base_url: Url,
    #[serde(default = "yes")]
    needs_key: bool,
    #[serde(default)]
    allow_private: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelEntry {
    name: String,
    /// As the provider calls it; the name unless told.
    id: Option<String>,
    #[serde(default = "ProviderName::anthropic")]
    provider: ProviderName,
    computer: Option<ComputerTool>,
    thinks: Option<bool>,
    max_tokens: Option<u32>,
    compact_at: Option<u32>,
    prices: Option<Prices>,
}

/// The providers that need no entry; the operator may have put a gateway in the place of each, anywhere.
pub fn known(anthropic_url: &Url, openai_url: &Url) -> Providers {
    let at = |api, base_url: &Url| Provider {
        api,
        base_url: base_url.clone(),
        needs_key: true,
        allow_private: is_said_to_be_inside(base_url),
    };
    [
        (ProviderName::anthropic(), at(ModelApi::AnthropicMessages, anthropic_url)),
        (ProviderName::openai(), at(ModelApi::OpenaiResponses, openai_url)),
    ]
    .into()
}

impl Provider {
    /// Where something of it is, below its base URL.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url.as_str().trim_end_matches('/'))
    }
}

impl Models {
    /// The table in a JSON file; its first model is the default.
    pub fn read(path: &Path, known: Providers) -> anyhow::Result<Self> {
        let tried = || format!("read the model table {} (CLOUDBOT_MODELS)", path.display());
        let text = std::fs::read_to_string(path).with_context(tried)?;
        Self::parse(&text, known).with_context(tried)
    }

    /// The one model of this name of Anthropic's, of which nothing else is told.
    pub fn named(name: &str, known: Providers) -> anyhow::Result<Self> {
        Self::of(vec![Model::named(name)], known)
    }

    fn parse(text: &str, mut providers: Providers) -> anyhow::Result<Self> {
        let table: Table = serde_json::from_str(text)
            .context("it must be a JSON object with `models` and, if there are, `providers`")?;
        for ProviderEntry { name, api, base_url, needs_key, allow_private } in table.providers {
            let plain = matches!(base_url.scheme(), "http" | "https")
                && base_url.host().is_some()
                && base_url.username().is_empty()
                && base_url.password().is_none()
                && base_url.query().is_none()
                && base_url.fragment().is_none();
            ensure!(plain, "base_url of {name} must be http or https, host and path alone");
            let inside = is_said_to_be_inside(&base_url);
            ensure!(
                allow_private || !inside,
                "base_url of {name} leads to a private address: say \"allow_private\": true if that is meant"
            );
            let provider = Provider { api, base_url, needs_key, allow_private };
            ensure!(providers.insert(name.clone(), provider).is_none(), "the provider {name} stands there twice");
        }
        let models = table.models.into_iter().map(|entry| resolve(entry, &providers)).collect::<anyhow::Result<_>>()?;
        Self::of(models, providers)
    }

    /// These, if they can be a table.
    pub fn of(models: Vec<Model>, providers: Providers) -> anyhow::Result<Self> {
        ensure!(!models.is_empty(), "the table must have at least one model");
        let mut names = HashSet::new();
        for model in &models {
            for name in [&model.name, &model.id] {
                let readable = (1..=200).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
                ensure!(
                    readable,
                    "a model's name has 1 to 200 printable ASCII characters without spaces, not {name:?}"
                );
            }
            ensure!(names.insert(&model.name), "{} stands there twice", model.name);
            ensure!(model.max_tokens > 0, "max_tokens of {} must be at least 1", model.name);
            // The least that Anthropic takes.
            ensure!(model.compact_at >= 50_000, "compact_at of {} must be at least 50000", model.name);
        }
        Ok(Self { models, providers })
    }

    pub fn all(&self) -> &[Model] {
        &self.models
    }

    /// What answers where nothing is chosen.
    pub fn default(&self) -> &Model {
        &self.models[0]
    }

    pub fn get(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    pub fn provider(&self, name: &ProviderName) -> Option<&Provider> {
        self.providers.get(name)
    }

    /// Those whose models can be chosen, in the order of their names.
    pub fn providers(&self) -> Vec<ModelProvider> {
        let used = |name: &ProviderName| self.models.iter().any(|model| model.provider == *name);
        let listed = self.providers.iter().filter(|(name, _)| used(name));
        listed
            .map(|(name, provider)| ModelProvider {
                name: name.clone(),
                api: provider.api,
                needs_key: provider.needs_key,
            })
            .collect()
    }
}

fn resolve(entry: ModelEntry, providers: &Providers) -> anyhow::Result<Model> {
    let ModelEntry { name, id, provider, computer, thinks, max_tokens, compact_at, prices } = entry;
    let Some(Provider { api, .. }) = providers.get(&provider) else {
        bail!("{name} is of the provider {provider}, which `providers` does not name");
    };
    let known = ComputerTool::of(*api);
    let computer = computer.unwrap_or(known[0]);
    ensure!(
        known.contains(&computer),
        "{name} cannot have the computer tool {}: {provider} takes {}",
        computer.as_str(),
        known.iter().map(|tool| tool.as_str()).collect::<Vec<_>>().join(", ")
    );
    Ok(Model {
        id: id.unwrap_or_else(|| name.clone()),
        name,
        provider,
        api: *api,
        computer,
        thinks: thinks.unwrap_or(computer.thinks()),
        max_tokens: max_tokens.unwrap_or(Model::MAX_TOKENS),
        compact_at: compact_at.unwrap_or(Model::COMPACT_AT),
        prices,
    })
}

/// Does the URL itself say that it leads inside? A name that only turns out to do so says nothing.
fn is_said_to_be_inside(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(is_private)
}

fn chat() -> ModelApi {
    ModelApi::OpenaiChat
}

fn yes() -> bool {
    true
}

#[cfg(test)]
#[path = "models_tests.rs"]
mod tests;
