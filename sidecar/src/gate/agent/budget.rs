//! How much a session may use: what is left, and when it is over. The caps are hard, so what the next call of the
//! model is bound to use is counted before it is made.

use protocol::{
    model::{Model, Prices},
    settings::{Budgets, Spent},
};

use super::record::Record;
use crate::gate::model::{estimate, language::ToolDefinition};

/// A turn ends after so many answers of the model, whatever the session's budgets are.
pub const MAX_CALLS: u32 = 200;
/// A shorter answer says nothing, and OpenAI refuses to be asked for one.
const LEAST_ANSWER: u64 = 16;
/// What our own words and tools take, which every call reads before anything else; estimated, rather too much.
const OURS: u64 = 6_000;

/// Why the model is not asked again, when the next call may read so many tokens; for people.
pub fn over(
    record: &Record,
    next: u64,
    budgets: &Budgets,
    prices: Option<&Prices>,
    time_is_up: bool,
) -> Option<String> {
    let Spent { steps, usage, cost_microusd } = record.spent();
    let is_over = |cap: Option<u64>, used: u64| cap.is_some_and(|cap| used >= cap);
    if record.calls() >= MAX_CALLS {
        return Some(format!("{MAX_CALLS} steps on one request"));
    }
    if is_over(budgets.steps, *steps) {
        return Some(format!("the session's budget of {} steps is used up", budgets.steps.unwrap_or_default()));
    }
    if time_is_up {
        let seconds = budgets.seconds.unwrap_or_default();
        return Some(format!("the session's budget of {seconds} seconds at work is used up"));
    }
    if is_over(budgets.tokens, usage.tokens().saturating_add(next).saturating_add(LEAST_ANSWER - 1)) {
        let tokens = budgets.tokens.unwrap_or_default();
        return Some(format!(
            "the session's budget of {tokens} tokens is used up: {} were used, and the next step may take {next}",
            usage.tokens()
        ));
    }
    if let Some(cap) = budgets.cost_microusd {
        let Some(prices) = prices else {
            return Some("the session has a budget of money, and the model's prices are not known".to_owned());
        };
        let needed = next_cost(next, prices).saturating_add(cost(LEAST_ANSWER, prices.output));
        if cost_microusd.saturating_add(needed) > cap {
            return Some(format!(
                "the session's budget of ${} is used up: ${} were used",
                dollars(cap),
                dollars(*cost_microusd)
            ));
        }
    }
    None
}

/// The most tokens that the model's next answer may have, when the call may read so many.
pub fn max_tokens(record: &Record, next: u64, budgets: &Budgets, model: &Model) -> u32 {
    let mut most = u64::from(model.max_tokens);
    if let Some(cap) = budgets.tokens {
        most = most.min(cap.saturating_sub(record.spent().usage.tokens().saturating_add(next)));
    }
    if let (Some(cap), Some(prices)) = (budgets.cost_microusd, &model.prices)
        && prices.output > 0
    {
        let left = cap.saturating_sub(record.spent().cost_microusd.saturating_add(next_cost(next, prices)));
        most = most.min((u128::from(left) * 1_000_000 / u128::from(prices.output)).try_into().unwrap_or(u64::MAX));
    }
    u32::try_from(most.max(LEAST_ANSWER)).unwrap_or(u32::MAX)
}

/// What the next call may read, in tokens.
pub fn next_input(record: &Record, preamble: u64) -> u64 {
    record.next_input().saturating_add(if record.is_counted() { 0 } else { preamble })
}

/// What every call reads before the conversation, where no provider has counted that yet.
pub fn preamble(system_prompt: Option<&str>, tools: &[ToolDefinition]) -> u64 {
    let of_tool = |tool: &ToolDefinition| {
        estimate::of_text(&tool.name) + estimate::of_text(&tool.description) + estimate::of_request(&tool.input_schema)
    };
    OURS + system_prompt.map_or(0, estimate::of_text) + tools.iter().map(of_tool).sum::<u64>()
}

/// What that costs at most: none of it has to be in the cache still.
fn next_cost(next: u64, prices: &Prices) -> u64 {
    let dearest = prices.input.max(prices.cache_write).max(prices.cache_read);
    cost(next, dearest)
}

/// In millionths of a dollar, at `price` for a million tokens.
fn cost(tokens: u64, price: u64) -> u64 {
    (u128::from(tokens) * u128::from(price)).div_ceil(1_000_000).try_into().unwrap_or(u64::MAX)
}

fn dollars(microusd: u64) -> String {
    format!("{}.{:02}", microusd / 1_000_000, microusd % 1_000_000 / 10_000)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use protocol::{
        MessageId, UserId,
        desktop::Size,
        event::{AnswerLost, AssistantMessage, Event, EventBody, Usage},
        key::ProviderName,
        model::ModelApi,
    };

    use serde_json::json;

    use super::*;
    use crate::gate::{
        agent::console,
        model::language::{self, Asked},
    };

    const PRICES: Prices = Prices { input: 3_000_000, output: 15_000_000, cache_write: 3_750_000, cache_read: 300_000 };

    fn record(answers: u32, usage: Usage) -> Record {
        let mut record = Record::default();
        for seq in 1..=i64::from(answers) {
            let body = EventBody::AssistantMessage(AssistantMessage {
                message_id: MessageId::generate(),
                content: Vec::new(),
                stop_reason: "tool_use".to_owned(),
                model: "m".to_owned(),
                api: None,
                variant: None,
                usage,
                cost_microusd: Some(PRICES.cost_microusd(&usage)),
            });
            assert!(record.push(Event { seq, at: 0, body }));
        }
        record
    }

    fn usage(input: u64, output: u64) -> Usage {
        Usage { input_tokens: input, output_tokens: output, ..Usage::default() }
    }

    #[test]
    fn each_budget_is_kept_by_itself() {
        let record = record(3, usage(1000, 100));
        let over = |budgets: Budgets| super::over(&record, next_input(&record, 0), &budgets, Some(&PRICES), false);

        assert_eq!(over(Budgets::default()), None);
        assert_eq!(over(Budgets { steps: Some(4), ..Budgets::default() }), None);
        assert!(over(Budgets { steps: Some(3), ..Budgets::default() }).unwrap().contains("3 steps"));
        assert_eq!(over(Budgets { tokens: Some(4_416), ..Budgets::default() }), None);
        assert!(over(Budgets { tokens: Some(4_415), ..Budgets::default() }).unwrap().contains("4415 tokens"));
        assert_eq!(over(Budgets { cost_microusd: Some(1_000_000), ..Budgets::default() }), None);
        assert!(over(Budgets { cost_microusd: Some(17_000), ..Budgets::default() }).unwrap().contains("$0.01"));
    }

    #[test]
    fn money_cannot_be_kept_with_a_model_without_prices() {
        let budgets = Budgets { cost_microusd: Some(1_000_000), ..Budgets::default() };

        assert!(over(&record(0, usage(0, 0)), 0, &budgets, None, false).unwrap().contains("prices"));
    }

    #[test]
    fn what_gave_no_answer_and_what_is_still_to_be_read_count_too() {
        let mut record = record(1, usage(1000, 0));
        let over = |record: &Record, tokens: u64| {
            let budgets = Budgets { tokens: Some(tokens), ..Budgets::default() };
            super::over(record, next_input(record, 0), &budgets, None, false).is_some()
        };
        assert_eq!((over(&record, 2_016), over(&record, 2_015)), (false, true));

        let (model, usage) = ("m".to_owned(), usage(500, 70));
        let lost = EventBody::AnswerLost(AnswerLost { model, usage, cost_microusd: Some(9) });
        record.push(Event { seq: 2, at: 0, body: lost });
        let (message_id, user_id) = (MessageId::generate(), UserId::generate());
        let said = EventBody::UserMessage { message_id, user_id, text: "x".repeat(300) };
        record.push(Event { seq: 3, at: 0, body: said });

        assert_eq!((over(&record, 2_686), over(&record, 2_685)), (false, true));
        assert_eq!((record.spent().steps, record.spent().cost_microusd), (1, 3_009));
    }

    #[test]
    fn the_first_call_is_known_to_read_what_every_call_reads() {
        let tool = ToolDefinition {
            name: "mcp__a__b".to_owned(),
            description: "x".repeat(9_000),
            input_schema: json!({"type": "object", "description": "x".repeat(9_000)}),
        };
        let (prompt, tools) = ("x".repeat(9_000), [tool]);
        for (provider, api) in [
            (ProviderName::anthropic(), ModelApi::AnthropicMessages),
            (ProviderName::openai(), ModelApi::OpenaiResponses),
            (ProviderName::openai(), ModelApi::OpenaiChat),
        ] {
            let model = Model::of(provider, api, "m");
            let (screen, system_prompt) = (Size::DEFAULT, Some(prompt.as_str()));
            let asked = Asked { model: &model, screen, system_prompt, max_tokens: 1, tools: &tools, key: "k" };
            let tokens = estimate::of_request(&language::request(&asked, &[], &HashMap::new()));
            let known = next_input(&Record::default(), preamble(Some(&prompt), &tools));

            assert!((known - OURS..known).contains(&tokens), "{api:?}: {tokens} of {known}");
        }
    }

    #[test]
    fn after_a_compaction_the_next_call_reads_what_is_left() {
        let mut record = record(1, usage(150_000, 100));
        let before = next_input(&record, OURS);
        let body = EventBody::AssistantMessage(AssistantMessage {
            message_id: MessageId::generate(),
            content: vec![json!({"type": "compaction", "content": "x".repeat(3_000)})],
            stop_reason: "end_turn".to_owned(),
            model: "m".to_owned(),
            api: None,
            variant: None,
            usage: usage(160_000, 1_000),
            cost_microusd: None,
        });

        record.push(Event { seq: 2, at: 0, body });

        assert_eq!(before, 150_100);
        assert!((1_000..1_100).contains(&(next_input(&record, OURS) - OURS)), "{}", next_input(&record, OURS));
    }

    #[test]
    fn what_was_done_without_a_model_is_still_to_be_read() {
        let mut record = Record::default();
        let (message_id, user_id) = (MessageId::generate(), UserId::generate());
        record.push(Event {
            seq: 1,
            at: 0,
            body: EventBody::UserMessage { message_id, user_id, text: "x".repeat(300) },
        });
        let body = EventBody::AssistantMessage(AssistantMessage {
            message_id: MessageId::generate(),
            content: vec![json!({"type": "text", "text": "x".repeat(300)})],
            stop_reason: "end_turn".to_owned(),
            model: console::NAME.to_owned(),
            api: None,
            variant: None,
            usage: Usage::default(),
            cost_microusd: None,
        });
        record.push(Event { seq: 2, at: 0, body });

        assert!((200..220).contains(&next_input(&record, 0)), "{}", next_input(&record, 0));
    }

    #[test]
    fn an_answer_is_never_longer_than_what_is_left() {
        let (record, model) = (record(1, usage(1000, 0)), Model { prices: Some(PRICES), ..Model::named("m") });
        let most = |budgets: Budgets| max_tokens(&record, next_input(&record, 0), &budgets, &model);

        assert_eq!(most(Budgets::default()), 32_000);
        assert_eq!(most(Budgets { tokens: Some(2_500), ..Budgets::default() }), 500);
        // $0.02, less 3,000 for what was and 3,750 for what will be read.
        assert_eq!(most(Budgets { cost_microusd: Some(20_000), ..Budgets::default() }), 883);
        assert_eq!(most(Budgets { tokens: Some(1), ..Budgets::default() }), 16);
    }
}
