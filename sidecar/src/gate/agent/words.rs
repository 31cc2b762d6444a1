//! What the model reads in the place of a result, and what people read when the agent stops.

pub const UNKNOWN: &str = "Outcome unknown: the process stopped during this action. Take a screenshot before retrying.";
pub const NOT_BEGUN: &str =
    "Not executed: the agent was restarted while this action waited for the user's permission. It may be tried again.";
pub const INTERRUPTED: &str = "[interrupted by user]";
pub const HALTED: &str = "Not executed: an earlier computer action in this turn failed.";
pub const NO_TIME_LEFT: &str = "Not executed: the session's time is used up.";
pub const CUT_BY_TIME: &str = "Interrupted: the session's time is used up. The outcome of this action is unknown.";
pub const NOT_WHILE_A_PERSON_DRIVES: &str = "Not executed: a person has taken control of the desktop.";
pub const TAKEN_MEANWHILE: &str = "Interrupted: a person took control of the desktop during this action, and its \
    outcome is unknown. A command that ran was ended.";
pub const LAPSED: &str = "Not executed: the screen changed where this action aims while the user was asked for \
    permission. Take a screenshot, and ask again with what is there now.";
pub const TOO_LONG_TO_ASK: &str = "Not executed: this action needs the user's permission, and its input is too long to \
    be shown to a person. Split it, or put it into a file step by step.";
pub const NOTHING_TO_SHOW: &str = "Not executed: this action needs the user's permission, and the screen cannot be \
    shown to a person now.";

pub const HEARD_LATER: &str = "A person drives the desktop. The agent reads this when control is handed back.";
pub const GO_ON: &str = "Raise the budget if there is one, and say \"go on\" to let it continue.";
pub const STUCK: &str = "The agent has done the same several times, and nothing on the screen has changed by it. It \
    was stopped before it costs more. Tell it what to do differently, or say \"go on\".";

/// A person, or a rule of theirs, said no.
pub fn denied(tool: &str) -> String {
    format!("The user did not grant permission to run '{}'. Do not retry it unless the user asks you to.", short(tool))
}

pub fn expired(tool: &str) -> String {
    format!(
        "The user did not answer in time whether '{}' may run, so it was not executed. Do not retry it unless the user \
         asks you to.",
        short(tool)
    )
}

/// For people, when a turn did not end as it should.
pub fn why_it_ended(stop_reason: &str) -> Option<String> {
    let why = match stop_reason {
        "end_turn" | "stop_sequence" => return None,
        "max_tokens" => "the answer was cut: it reached the limit of one message",
        "model_context_window_exceeded" => "the conversation is too long for the model: start a new session",
        "refusal" => "the model declined to go on",
        _ => "the model stopped without saying why",
    };
    Some(why.to_owned())
}

/// The model chose the name.
fn short(name: &str) -> String {
    name.chars().take(100).collect()
}
