//! Asking the model for the next message, as often as it takes and no oftener.

use protocol::{
    MessageId,
    chat::ChatDown,
    event::{AssistantMessage, Event, EventBody, Usage},
    model::Model,
};

use super::{
    super::{budget, console, step::Answer},
    EdgeError, Runner, sleep_until_over,
};
use crate::gate::model::{
    bill::Bill,
    call::{Question, Reply},
    language::{self, ToolDefinition},
};

impl Runner<'_> {
    /// Asks once. Whatever comes of it is in memory afterwards, also what was used for nothing: so it counts before
    /// the model is asked again.
    pub(super) async fn ask(&mut self) -> Result<(), EdgeError> {
        let message_id = MessageId::generate();
        let Some(model) = self.model.clone() else {
            self.answer(Ok(self.console(message_id)));
            return Ok(());
        };
        let (tools, mut bill) = (self.tools(&model), Bill::default());
        let reply = self.reply(&model, &tools, &message_id, &mut bill).await;
        if let Some(usage) = bill.lost() {
            let cost = model.prices.map(|prices| prices.cost_microusd(&usage));
            self.memory.lose(&model.name, usage, cost);
        }
        match reply? {
            Some(Reply::Message(message)) => self.answer(Ok(message)),
            Some(Reply::Failed { reason, again }) => match again.wait(self.attempts, rand::random()) {
                Some(wait) => {
                    self.attempts += 1;
                    // What cuts it short is noticed anew.
                    let _ = self.unless_cut(tokio::time::sleep(wait)).await;
                }
                None => self.answer(Err(reason)),
            },
            // Cut off in mid-sentence: what was written is dropped.
            None => self.tell(ChatDown::Discarded { message_id }),
        }
        Ok(())
    }

    /// `None` when it was stopped, or its time was up.
    async fn reply(
        &self,
        model: &Model,
        tools: &[ToolDefinition],
        message_id: &MessageId,
        bill: &mut Bill,
    ) -> Result<Option<Reply>, EdgeError> {
        let settings = &self.memory.settings;
        let next = budget::next_input(&self.record, self.memory.preamble);
        let question = Question {
            agent: self.agent,
            session: &self.session,
            record: &self.record,
            model,
            system_prompt: settings.system_prompt.as_deref(),
            max_tokens: budget::max_tokens(&self.record, next, &settings.budgets, model),
            tools,
            message_id,
        };
        tokio::select! {
            biased;
            () = self.current.stop.cancelled() => Ok(None),
            () = sleep_until_over(self.time_left()) => Ok(None),
            reply = self.agent.0.model.ask(question, bill) => reply.map(Some),
        }
    }

    /// Those of MCP servers, as many as the model takes; people are told of the rest.
    fn tools(&mut self, model: &Model) -> Vec<ToolDefinition> {
        let mut tools = self.agent.mcp_tools();
        let (count, most) = (tools.len(), language::most_tools(model.api));
        if count > most {
            let (name, first) = (&model.name, &tools[most].name);
            self.tell_once(format!(
                "{name} takes {most} tools of MCP servers, and here are {count}: those from {first} on are left out."
            ));
        }
        tools.truncate(most);
        tools
    }

    fn tell_once(&mut self, text: String) {
        let is_it = |event: &Event| matches!(&event.body, EventBody::Notice { text: told } if *told == text);
        if !self.to_tell.contains(&text) && !self.record.events().iter().any(is_it) {
            self.to_tell.push_back(text);
        }
    }

    fn answer(&mut self, outcome: Result<AssistantMessage, String>) {
        self.attempts = 0;
        self.memory.answer = Some(Answer { after: self.record.last_seq(), outcome });
    }

    fn console(&self, message_id: MessageId) -> AssistantMessage {
        let said = console::answer(&message_id, &self.record.unheard(), &self.record.results());
        AssistantMessage {
            message_id,
            content: said.content,
            stop_reason: said.stop_reason.to_owned(),
            model: console::NAME.to_owned(),
            api: None,
            variant: None,
            usage: Usage::default(),
            cost_microusd: None,
        }
    }

    pub(super) fn discard(&mut self) {
        if let Some(message_id) = self.memory.discard() {
            self.tell(ChatDown::Discarded { message_id });
        }
    }
}
