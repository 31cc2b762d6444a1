//! What a person may choose for a session: checked once, where it comes in.

use protocol::{
    UserId,
    error::{Code, Problem},
    model::Model,
    settings::{Budgets, SessionSettings},
};

use crate::{app::App, db, error::ApiError, models::Models};

const MAX_PROMPT: usize = 20_000;
const MAX_RULES: usize = 100;
const TIMEOUT: std::ops::RangeInclusive<u32> = 10..=86_400;

/// Refuses what no session can keep to.
pub fn check(settings: &SessionSettings, models: &Models) -> Result<(), Problem> {
    let invalid = |detail: String| Err(Problem::new(Code::InvalidValue, detail));
    let prompt = settings.system_prompt.as_deref().unwrap_or_default().chars().count();
    if prompt > MAX_PROMPT {
        return invalid(format!("A system prompt has at most {MAX_PROMPT} characters; this one has {prompt}."));
    }
    if settings.tools.len() > MAX_RULES {
        return invalid(format!("A session has at most {MAX_RULES} rules for tools."));
    }
    let is_name = |name: &String| (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if !settings.tools.keys().all(is_name) {
        return invalid("A tool's name has 1 to 200 printable characters.".to_owned());
    }
    if !TIMEOUT.contains(&settings.approval_timeout_s) {
        return invalid("An approval waits 10 to 86,400 seconds.".to_owned());
    }
    let Budgets { steps, seconds, tokens, cost_microusd } = settings.budgets;
    if [steps, seconds, tokens, cost_microusd].contains(&Some(0)) {
        return invalid("A budget is at least 1; leave it out for none.".to_owned());
    }
    let model = match &settings.model {
        None => models.default(),
        Some(name) => match models.get(name) {
            Some(model) => model,
            None => return invalid("There is no such model here: choose one of GET models.".to_owned()),
        },
    };
    if cost_microusd.is_some() && model.prices.is_none() {
        return invalid(format!(
            "The prices of {} are not known here, so no budget of money can be kept: choose another model, or a budget of tokens.",
            model.name
        ));
    }
    Ok(())
}

/// The model that answers a session; `None` when its user has no key for the model's provider, and it wants one.
///
/// A model that the operator has taken out of the table since is replaced by the default.
pub async fn model(app: &App, user: &UserId, settings: &SessionSettings) -> Result<Option<Model>, ApiError> {
    let models = &app.settings.models;
    let model = settings.model.as_deref().and_then(|name| models.get(name)).unwrap_or(models.default());
    let provider = models.provider(&model.provider);
    let is_usable = match provider {
        Some(provider) if provider.needs_key => db::keys::get(&app.db, user, &model.provider).await?.is_some(),
        provider => provider.is_some(),
    };
    Ok(is_usable.then(|| model.clone()))
}

#[cfg(test)]
mod tests {
    use protocol::{approval::ToolRule, model::Prices};

    use super::*;

    fn models() -> Models {
        Models::named("plain", Default::default()).unwrap()
    }

    fn with(change: impl FnOnce(&mut SessionSettings)) -> SessionSettings {
        let mut settings = SessionSettings::default();
        change(&mut settings);
        settings
    }

    #[test]
    fn what_is_at_its_bounds_is_accepted() {
        let rules = |n: usize| (0..n).map(|n| (format!("mcp:{n}"), ToolRule::Ask)).collect();

        for settings in [
            SessionSettings::default(),
            with(|s| s.system_prompt = Some("é".repeat(20_000))),
            with(|s| s.tools = rules(100)),
            with(|s| s.tools = [("é".repeat(200), ToolRule::Deny)].into()),
            with(|s| s.approval_timeout_s = 10),
            with(|s| s.approval_timeout_s = 86_400),
            with(|s| s.model = Some("plain".into())),
            with(|s| s.budgets.tokens = Some(u64::MAX)),
        ] {
            assert_eq!(check(&settings, &models()), Ok(()), "{settings:?}");
        }
    }

    #[test]
    fn what_is_beyond_them_is_refused() {
        let rules = |n: usize| (0..n).map(|n| (format!("mcp:{n}"), ToolRule::Ask)).collect();

        for settings in [
            with(|s| s.system_prompt = Some("é".repeat(20_001))),
            with(|s| s.tools = rules(101)),
            with(|s| s.tools = [(String::new(), ToolRule::Deny)].into()),
            with(|s| s.tools = [("x".repeat(201), ToolRule::Deny)].into()),
            with(|s| s.tools = [("a\nb".into(), ToolRule::Deny)].into()),
            with(|s| s.approval_timeout_s = 9),
            with(|s| s.approval_timeout_s = 86_401),
            with(|s| s.model = Some("other".into())),
            with(|s| s.budgets.steps = Some(0)),
            with(|s| s.budgets.seconds = Some(0)),
            with(|s| s.budgets.tokens = Some(0)),
            with(|s| s.budgets.cost_microusd = Some(0)),
        ] {
            assert_eq!(check(&settings, &models()).unwrap_err().code, Code::InvalidValue, "{settings:?}");
        }
    }

    #[test]
    fn a_budget_of_money_takes_a_model_whose_prices_are_known() {
        let prices = Prices { input: 1, output: 1, cache_write: 1, cache_read: 1 };
        let priced = Model { prices: Some(prices), ..Model::named("priced") };
        let models = Models::of(vec![Model::named("plain"), priced], Default::default()).unwrap();

        let unknown = check(&with(|s| s.budgets.cost_microusd = Some(1)), &models).unwrap_err();
        let known = check(&with(|s| (s.model, s.budgets.cost_microusd) = (Some("priced".into()), Some(1))), &models);

        assert!(unknown.detail.contains("prices of plain"), "{unknown}");
        assert_eq!(known, Ok(()));
    }
}
