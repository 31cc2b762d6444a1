//! Asking a model for the next message, as often as it takes and no oftener.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use protocol::{
    MessageId, SessionId,
    chat::ChatDown,
    desktop::Size,
    error::{Code, Problem},
    event::AssistantMessage,
    model::{Model, ModelApi},
    paths::llm_path,
};
use reqwest::{Method, Response};
use serde_json::Value;

use super::{
    assembly::{Broken, Ids, Seen, Whole},
    conversation,
    language::{self, Asked, Assembly, ToolDefinition},
    pictures::{Loaded, Pictures},
    retry,
    sse::SseParser,
};
use crate::gate::{
    agent::{Agent, record::Record, waiting::Waiting},
    edge::{Edge, EdgeError, collect, explain},
};

/// Anthropic pings more often than this; others say nothing while they read or think.
fn silent_for(api: ModelApi) -> Duration {
    Duration::from_secs(if api == ModelApi::AnthropicMessages { 120 } else { 600 })
}

/// The record takes events of 4 MiB.
const MAX_STORED: usize = 7 << 19;
/// Until the first byte: the provider may read a long conversation first.
const BEGIN_WITHIN: Duration = Duration::from_secs(300);

/// The way to the providers, through the edge.
pub struct Caller {
    edge: Edge,
    pub pictures: Pictures,
}

/// What the model is asked.
pub struct Question<'a> {
    pub agent: &'a Agent,
    pub session: &'a SessionId,
    pub record: &'a Record,
    pub model: &'a Model,
    /// Of the session, beside our own.
    pub system_prompt: Option<&'a str>,
    pub max_tokens: u32,
    /// Beside those of the desktop.
    pub tools: &'a [ToolDefinition],
    /// What the answer will be called.
    pub message_id: &'a MessageId,
}

struct Call<'a> {
    model: &'a Model,
    body: Bytes,
    message_id: &'a MessageId,
    /// By which tools were used before.
    ids: Ids,
}

/// An attempt that gave no message.
struct Failure {
    reason: String,
    again: Option<Duration>,
    /// Has the chat seen something of it?
    streamed: bool,
    /// control's word that this VM is over.
    over: Option<Problem>,
}

impl Caller {
    pub fn new(edge: Edge) -> Self {
        Self { edge, pictures: Pictures::default() }
    }

    /// The model's next message, or why there is none for good. An error is the record's, not the model's.
    pub async fn ask(&self, question: Question<'_>) -> Result<Result<AssistantMessage, String>, EdgeError> {
        let Question { agent, session, record, model, system_prompt, max_tokens, tools, message_id } = question;
        let names = conversation::pictures(record.events());
        let mut loaded = Loaded::new();
        let mut waiting = Waiting::new(agent, session);
        while let Err(error) = self.pictures.load(agent.journal(), &names, &mut loaded).await {
            waiting.after(error).await?;
        }
        let screen = record.picture().unwrap_or(Size::DEFAULT);
        let asked = Asked { model, screen, system_prompt, max_tokens, tools, key: session.as_str() };
        let body = language::request(&asked, record.events(), &loaded);
        drop(loaded);
        let body = Bytes::from(serde_json::to_vec(&body).map_err(|error| EdgeError::Unreachable(error.to_string()))?);
        let call = Call { model, body, message_id, ids: Ids::of(record.tool_ids()) };
        let mut reason = String::new();
        for attempt in 0..retry::MAX_ATTEMPTS {
            let tell = |frame| agent.live().frame(session, frame);
            let failure = match self.attempt(attempt, &call, &tell).await {
                Ok(Whole { content, stop_reason, usage }) => {
                    let cost_microusd = model.prices.map(|prices| prices.cost_microusd(&usage));
                    let (message_id, api, model) = (message_id.clone(), Some(model.api), model.name.clone());
                    let message =
                        AssistantMessage { message_id, content, stop_reason, model, api, usage, cost_microusd };
                    return Ok(storable(message));
                }
                Err(failure) => failure,
            };
            if failure.streamed {
                tell(ChatDown::Discarded { message_id: message_id.clone() });
            }
            if let Some(problem) = failure.over {
                return Err(EdgeError::Problem(problem));
            }
            tracing::warn!(reason = %failure.reason, attempt, %session, "the model gave no message");
            reason = failure.reason;
            match failure.again {
                Some(wait) if attempt + 1 < retry::MAX_ATTEMPTS => tokio::time::sleep(wait).await,
                _ => break,
            }
        }
        Ok(Err(reason))
    }

    async fn attempt(&self, attempt: u32, call: &Call<'_>, tell: &impl Fn(ChatDown)) -> Result<Whole, Failure> {
        let Call { model, body, message_id, ids } = call;
        let lost = |reason: String, streamed: bool| Failure {
            reason,
            again: Some(retry::wait(attempt, None, rand::random())),
            streamed,
            over: None,
        };
        let broken = |broken: Broken, streamed: bool| {
            let lost = lost(broken.reason, streamed);
            if broken.for_good { Failure { again: None, ..lost } } else { lost }
        };
        let path = llm_path(&model.provider, model.api);
        let request = self.edge.request(Method::POST, &path).map_err(|e| lost(e.to_string(), false))?;
        let headers = language::headers(model);
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = request
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::ACCEPT, "text/event-stream")
            .body(body.clone());
        let response = tokio::time::timeout(BEGIN_WITHIN, request.send())
            .await
            .map_err(|_| lost("the model did not answer in time".to_owned(), false))?
            .map_err(|error| lost(explain(error), false))?;
        if !response.status().is_success() {
            return Err(refused(attempt, response).await);
        }
        let mut stream = response.bytes_stream();
        let mut assembly = Assembly::new(model.api, message_id, ids.clone());
        let (mut parser, mut streamed) = (SseParser::default(), false);
        loop {
            let chunk = match tokio::time::timeout(silent_for(model.api), stream.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(error))) => return Err(lost(explain(error), streamed)),
                Ok(None) => {
                    let broke_off = || lost("the model's answer broke off".to_owned(), streamed);
                    return assembly.end().ok_or_else(broke_off);
                }
                Err(_) => return Err(lost("the model fell silent".to_owned(), streamed)),
            };
            for event in parser.feed(&chunk).map_err(|error| lost(error.to_string(), streamed))? {
                match assembly.take(&event.data).map_err(|error| broken(error, streamed))? {
                    Seen::Nothing => {}
                    Seen::Delta { block, offset, kind, text } => {
                        streamed = true;
                        tell(ChatDown::Delta { message_id: (*message_id).clone(), block, offset, kind, text });
                    }
                    Seen::Done(whole) => return Ok(whole),
                }
            }
        }
    }
}

/// An answer that the record could not take would be asked for again and again.
fn storable(message: AssistantMessage) -> Result<AssistantMessage, String> {
    let bytes = serde_json::to_vec(&message.content).map_or(usize::MAX, |bytes| bytes.len());
    if bytes > MAX_STORED {
        return Err(format!("the model's answer has {bytes} bytes, and at most {MAX_STORED} can be kept"));
    }
    Ok(message)
}

async fn refused(attempt: u32, response: Response) -> Failure {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = collect(response, 64 << 10).await.unwrap_or_default();
    let mut needs_a_person = false;
    let (reason, problem) = match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => (problem.detail.clone(), Some(problem)),
        Err(_) => {
            let said: Value = serde_json::from_slice(&body).unwrap_or_default();
            needs_a_person = said["error"]["code"] == "insufficient_quota";
            let said = said["error"]["message"].as_str().unwrap_or("it did not say why").to_owned();
            (format!("the model provider answered {status}: {}", said.chars().take(500).collect::<String>()), None)
        }
    };
    let code = problem.as_ref().map(|problem| problem.code);
    // These need a person; 409 and 429 alone would be tried again.
    needs_a_person |=
        matches!(code, Some(Code::NoProviderKey | Code::SpendingCap | Code::StaleGeneration | Code::Conflict));
    let again = !needs_a_person && retry::is_worth_it(status, &headers);
    Failure {
        reason,
        again: again.then(|| retry::wait(attempt, Some(&headers), rand::random())),
        streamed: false,
        over: problem.filter(|problem| problem.code == Code::StaleGeneration),
    }
}
