//! One call of a model, which gives its next message or a reason why not.

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
    bill::Bill,
    conversation, estimate,
    language::{self, Asked, Assembly, ToolDefinition},
    pictures::{Loaded, Pictures},
    retry::Again,
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
    /// Of the body, estimated.
    tokens: u64,
    message_id: &'a MessageId,
    /// By which tools were used before.
    ids: Ids,
}

/// How a call ended.
pub enum Reply {
    Message(AssistantMessage),
    /// The reason is for people.
    Failed {
        reason: String,
        again: Again,
    },
}

/// Why a call gave no message.
struct Failure {
    reason: String,
    again: Again,
    /// Has the chat seen something of it?
    streamed: bool,
    /// control's word that this VM is over.
    over: Option<Problem>,
}

impl Caller {
    pub fn new(edge: Edge) -> Self {
        Self { edge, pictures: Pictures::default() }
    }

    /// Asks for the model's next message, once. An error is the record's, not the model's. What is used of which no
    /// message comes stands in `bill`, also when this is dropped.
    pub async fn ask(&self, question: Question<'_>, bill: &mut Bill) -> Result<Reply, EdgeError> {
        let Question { agent, session, record, model, system_prompt, max_tokens, tools, message_id } = question;
        let names = conversation::pictures(record.events(), model);
        let mut loaded = Loaded::new();
        let mut waiting = Waiting::new(agent, session);
        while let Err(error) = self.pictures.load(agent.journal(), &names, &mut loaded).await {
            waiting.after(error).await?;
        }
        let screen = record.picture().unwrap_or(Size::DEFAULT);
        let asked = Asked { model, screen, system_prompt, max_tokens, tools, key: session.as_str() };
        let body = language::request(&asked, record.events(), &loaded);
        drop(loaded);
        let tokens = estimate::of_request(&body);
        let body = Bytes::from(serde_json::to_vec(&body).map_err(|error| EdgeError::Unreachable(error.to_string()))?);
        let call = Call { model, body, tokens, message_id, ids: Ids::of(record.tool_ids()) };
        let tell = |frame| agent.live().frame(session, frame);
        let failure = match self.call(call, bill, &tell).await {
            Ok(Whole { content, stop_reason, usage }) => match check_storable(&content) {
                Ok(()) => {
                    let usage = bill.settle(&content, usage);
                    return Ok(Reply::Message(AssistantMessage {
                        message_id: message_id.clone(),
                        content,
                        stop_reason,
                        model: model.name.clone(),
                        api: Some(model.api),
                        variant: Some(model.variant()),
                        usage,
                        cost_microusd: model.prices.map(|prices| prices.cost_microusd(&usage)),
                    }));
                }
                Err(reason) => Failure { reason, again: Again::Never, streamed: true, over: None },
            },
            Err(failure) => failure,
        };
        if failure.streamed {
            tell(ChatDown::Discarded { message_id: message_id.clone() });
        }
        if let Some(problem) = failure.over {
            return Err(EdgeError::Problem(problem));
        }
        tracing::warn!(reason = %failure.reason, %session, "the model gave no message");
        Ok(Reply::Failed { reason: failure.reason, again: failure.again })
    }

    async fn call(&self, call: Call<'_>, bill: &mut Bill, tell: &impl Fn(ChatDown)) -> Result<Whole, Failure> {
        let Call { model, body, tokens, message_id, ids } = call;
        let lost = |reason: String, streamed: bool| Failure { reason, again: Again::InAWhile, streamed, over: None };
        let broken = |broken: Broken, streamed: bool| {
            let again = if broken.for_good { Again::Never } else { Again::InAWhile };
            Failure { again, ..lost(broken.reason, streamed) }
        };
        let path = llm_path(&model.provider, model.api);
        let request = self.edge.request(Method::POST, &path).map_err(|e| lost(e.to_string(), false))?;
        let headers = language::headers(model);
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = request
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::ACCEPT, "text/event-stream")
            .body(body);
        bill.open(tokens);
        let response = tokio::time::timeout(BEGIN_WITHIN, request.send())
            .await
            .map_err(|_| lost("the model did not answer in time".to_owned(), false))?;
        let response = match response {
            Ok(response) if response.status().is_success() => response,
            Ok(response) => {
                bill.refused();
                return Err(refused(response).await);
            }
            Err(error) => {
                // One that was sent may be worked on.
                if error.is_connect() {
                    bill.refused();
                }
                return Err(lost(explain(error), false));
            }
        };
        let mut stream = response.bytes_stream();
        let mut assembly = Assembly::new(model.api, message_id, ids);
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
                let seen = assembly.take(&event.data);
                bill.said(assembly.usage());
                match seen.map_err(|error| broken(error, streamed))? {
                    Seen::Nothing => {}
                    Seen::Delta { block, offset, kind, text } => {
                        streamed = true;
                        bill.streamed(&text);
                        tell(ChatDown::Delta { message_id: message_id.clone(), block, offset, kind, text });
                    }
                    Seen::Done(whole) => return Ok(whole),
                }
            }
        }
    }
}

/// An answer that the record could not take would be asked for again and again.
fn check_storable(content: &[Value]) -> Result<(), String> {
    let bytes = serde_json::to_vec(content).map_or(usize::MAX, |bytes| bytes.len());
    if bytes > MAX_STORED {
        return Err(format!("the model's answer has {bytes} bytes, and at most {MAX_STORED} can be kept"));
    }
    Ok(())
}

async fn refused(response: Response) -> Failure {
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
    let again = if needs_a_person { Again::Never } else { Again::after(status, &headers) };
    Failure { reason, again, streamed: false, over: problem.filter(|problem| problem.code == Code::StaleGeneration) }
}
