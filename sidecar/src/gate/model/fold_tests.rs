//! Where a conversation is folded, and what is told then.

use proptest::prelude::*;
use protocol::{
    MessageId, UserId,
    desktop::Size,
    event::{ActionTrace, ResultBlock, ToolResult, Usage},
    model::Model,
};
use serde_json::json;

use super::*;
use crate::gate::model::{conversation, messages::history};

fn said(text: &str) -> EventBody {
    EventBody::UserMessage { message_id: MessageId::generate(), user_id: UserId::generate(), text: text.to_owned() }
}

fn answered(content: Vec<Value>) -> EventBody {
    EventBody::AssistantMessage(AssistantMessage {
        message_id: MessageId::generate(),
        content,
        stop_reason: "tool_use".to_owned(),
        model: "m".to_owned(),
        api: None,
        variant: Some(Model::named("m").variant()),
        usage: Usage::default(),
        cost_microusd: None,
    })
}

fn asked(id: usize) -> EventBody {
    let id = format!("t{id}");
    answered(vec![json!({"type": "tool_use", "id": id, "name": "screenshot", "toolset_name": "computer", "input": {}})])
}

fn seen(id: usize, sizes: &[u64]) -> EventBody {
    let picture = |bytes: &u64| ResultBlock::Image {
        picture: Picture {
            sha256: format!("{id}"),
            media_type: "image/png".to_owned(),
            size: Size::DEFAULT,
            bytes: *bytes,
        },
    };
    let mut content = vec![ResultBlock::Text { text: "Seen.\nYou said: no".to_owned() }];
    content.extend(sizes.iter().map(picture));
    EventBody::ToolResult(ToolResult {
        tool_use_id: format!("t{id}"),
        is_error: false,
        content,
        trace: ActionTrace::default(),
    })
}

fn events(bodies: Vec<EventBody>) -> Vec<Event> {
    numbered(1, bodies).collect()
}

fn numbered(from: usize, bodies: impl IntoIterator<Item = EventBody>) -> impl Iterator<Item = Event> {
    bodies.into_iter().zip(from as i64..).map(|(body, seq)| Event { seq, at: 0, body })
}

fn handed_back(bytes: u64) -> EventBody {
    let EventBody::ToolResult(result) = seen(0, &[bytes]) else { unreachable!() };
    let picture = result.content.into_iter().find_map(|block| match block {
        ResultBlock::Image { picture } => Some(picture),
        ResultBlock::Text { .. } => None,
    });
    EventBody::HandedBack { user_id: UserId::generate(), note: None, picture }
}

/// One screenshot after another, of so many bytes each.
fn screenshots(count: usize, bytes: u64) -> Vec<Event> {
    let pairs = (0..count).flat_map(|id| [asked(id), seen(id, &[bytes])]);
    events([said("Find the red one.\nThen stop.")].into_iter().chain(pairs).collect())
}

fn fold(events: &[Event]) -> Fold {
    of(events, |_| true)
}

fn shown(events: &[Event]) -> Vec<&Picture> {
    events[fold(events).shown_from..].iter().flat_map(pictures).collect()
}

#[test]
fn a_conversation_is_told_as_it_was_while_providers_take_it() {
    assert_eq!(fold(&screenshots(90, 100_000)), Fold::default());
    assert_eq!(fold(&screenshots(8, 2 << 20)), Fold::default());
}

#[test]
fn too_many_pictures_or_too_large_ones_fold_what_came_before() {
    for events in [screenshots(91, 1000), screenshots(9, 2 << 20)] {
        let fold = fold(&events);

        assert_eq!(fold.at, events.len());
        assert_eq!(shown(&events).len(), if events.len() > 100 { 10 } else { 2 });
    }
}

#[test]
fn what_was_before_is_told_in_short_and_a_result_can_pass_for_nothing_else() {
    let mut events = screenshots(91, 1000);
    events.truncate(5);

    events.extend(numbered(6, [asked(7)]));

    let told = told(&events, &Fold { at: 6, unread_from: 6, shown_from: 6, is_the_providers: false });

    insta::assert_snapshot!(told, @r#"
    [What came before in this conversation, in short and without its pictures:]
    The person said: Find the red one.
      Then stop.
    You used screenshot {}: "Seen.\nYou said: no"
    You used screenshot {}: "Seen.\nYou said: no"
    You used screenshot {}; what came of it follows
    "#);
}

#[test]
fn what_is_told_has_a_bound_and_keeps_what_people_said() {
    let mut events = screenshots(5_000, 1000);
    events[2_001].body = said("Never buy anything.");

    let told = told(&events, &fold(&events));

    assert!(told.len() < MAX_TOLD + MAX_SAID, "{}", told.len());
    assert!(told.contains("Find the red one.") && told.contains("\n[…]\nThe person said: Never buy anything.\n[…]\n"));
}

#[test]
fn what_the_model_has_not_read_yet_is_told_whole() {
    let mut events = screenshots(90, 1000);
    let long = "x".repeat(50_000);
    let EventBody::ToolResult(mut last) = seen(90, &[1000]) else { unreachable!() };
    last.content.insert(0, ResultBlock::Text { text: long.clone() });
    events.extend(numbered(events.len() + 1, [asked(90), EventBody::ToolResult(last), said(&long)]));

    let messages = history::messages(&Model::named("m"), &events, &Default::default());

    let content = messages[0]["content"].as_array().unwrap();
    let whole = content.iter().filter(|block| block["text"] == long.as_str()).count();
    assert_eq!((messages.len(), whole), (1, 2), "{content:?}");
    assert_eq!(content.last().unwrap()["text"], long.as_str());
}

#[test]
fn the_newest_pictures_are_shown_however_large() {
    let mut events = screenshots(8, 2 << 20);
    events.extend(numbered(events.len() + 1, [asked(8), seen(8, &[3 << 20, 3 << 20])]));

    assert_eq!(shown(&events).len(), 2);
}

#[test]
fn a_record_from_before_there_were_folds_is_folded_from_now_on_only() {
    let mut events = screenshots(95, 1000);
    for event in &mut events {
        if let EventBody::AssistantMessage(message) = &mut event.body {
            message.variant = None;
        }
    }

    assert_eq!(fold(&events).at, events.len());
}

#[test]
fn after_a_fold_the_conversation_is_one_that_providers_take() {
    let mut events = screenshots(91, 1000);
    let at = events.len();
    events.extend(numbered(at + 1, [asked(91), seen(91, &[1000])]));
    let model = Model::named("m");

    let messages = history::messages(&model, &events, &Default::default());

    assert_eq!(fold(&events).at, at);
    assert_eq!(messages.iter().map(|m| m["role"].as_str().unwrap()).collect::<Vec<_>>(), ["user", "assistant", "user"]);
    assert_eq!(messages[1]["content"][0]["id"], "t91");
    assert_eq!(conversation::pictures(&events, &model).len(), 11);
}

#[test]
fn what_the_provider_made_short_is_not_told_again() {
    let compaction = json!({"type": "compaction", "content": "We look for the red one."});
    let failed = json!({"type": "compaction", "content": null});
    let made_short = |block: Value| {
        events(vec![said("go"), asked(1), seen(1, &[9]), answered(vec![block, json!({"type": "text", "text": "On."})])])
    };

    let (short, long) = (made_short(compaction), made_short(failed));

    assert_eq!(fold(&short), Fold { at: 3, unread_from: 3, shown_from: 3, is_the_providers: true });
    assert_eq!(fold(&long), Fold::default());
    assert_eq!(of(&short, |_| false), Fold::default(), "another model knows nothing of it");
    let messages = history::messages(&Model::named("m"), &short, &Default::default());
    assert_eq!(messages.len(), 2);
    assert!(!messages[0].to_string().contains("screenshot"), "{}", messages[0]);
}

proptest! {
    #[test]
    fn a_fold_stays_where_it_was_made(
        turns in prop::collection::vec((0usize..12, 1_000u64..3_000_000, any::<bool>()), 1..60),
    ) {
        let turn = |(id, (count, bytes, drives)): (usize, &(usize, u64, bool))| {
            let results = [asked(id), seen(id, &vec![*bytes; *count])];
            results.into_iter().chain(drives.then(|| handed_back(*bytes)))
        };
        let events = events([said("go")].into_iter().chain(turns.iter().enumerate().flat_map(turn)).collect());
        let is_answer = |at: &usize| matches!(events[*at].body, EventBody::AssistantMessage(_));

        for at in (1..events.len()).filter(is_answer) {
            let (asked, answered) = (fold(&events[..at]), fold(&events[..=at]));
            prop_assert_eq!(asked, answered, "the answer is bound to what was asked");
            prop_assert!(asked.unread_from <= asked.at && asked.shown_from <= asked.at);
            let shown = shown(&events[..at]);
            prop_assert!(shown.len() <= MOST_PICTURES);
            prop_assert!(shown.iter().map(|picture| picture.bytes).sum::<u64>() <= MOST_BYTES);
        }
    }
}
