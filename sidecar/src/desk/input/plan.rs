//! What the hand has to do for an action: all of it is checked before anything is pressed.

use std::time::Duration;

use protocol::action::{Action, Button, Direction, Point};

use super::{
    hand::Stroke,
    keys::{Chord, Names, symbol_of},
};
use crate::{desk::screen::scale::Scale, link::Refusal};

const MAX_TEXT: usize = 100_000;
const MAX_HOLD_MS: u64 = 60_000;
/// Between the clicks of a double click, and between press and release: no person is faster.
const CLICK_MS: u32 = 8;
const AGAIN_MS: u32 = 30;
/// Programs recognise a drag by movement in small steps, after the press and before the release.
const STEP_PIXELS: f64 = 24.0;
const MAX_STEPS: f64 = 400.0;
const STEP_MS: u32 = 6;
const GRIP_MS: u32 = 50;
const STEPS_PER_BATCH: usize = 32;
const NOTCH_MS: u32 = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Done in one go.
    Strokes(Vec<Stroke>),
    Type(Vec<u32>),
    Wait(Duration),
}

/// The steps of an action, and what lifts all that they may hold when it is given up on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) lift: Vec<Stroke>,
}

/// Plans an action whose coordinates are of the picture of `scale`.
pub(super) fn plan(action: &Action, names: &Names, scale: Scale) -> Result<Plan, Refusal> {
    match action {
        Action::Key { keys, repeat } => {
            in_range("repeat", *repeat, 1, 100)?;
            let strokes: Vec<Stroke> = names.sequence(keys)?.iter().flat_map(press).collect();
            Ok(Plan { steps: vec![Step::Strokes(strokes); *repeat as usize], lift: vec![] })
        }
        Action::HoldKey { keys, duration_ms } => {
            let chord = names.chord(if keys == " " { "space" } else { keys })?;
            let wait = Step::Wait(duration(*duration_ms)?);
            let steps = vec![Step::Strokes(downs(&chord)), wait, Step::Strokes(ups(&chord))];
            Ok(Plan { steps, lift: ups(&chord) })
        }
        Action::Type { text } => Ok(Plan { steps: vec![Step::Type(symbols(text)?)], lift: vec![] }),
        Action::MouseMove { to } => Ok(at_once(vec![Stroke::Move(scale.point(*to)?)])),
        Action::MouseDown { button } => Ok(at_once(vec![Stroke::ButtonDown(number(*button))])),
        Action::MouseUp { button } => Ok(at_once(vec![Stroke::ButtonUp(number(*button))])),
        Action::Click { button, count, at, modifiers } => {
            in_range("count", *count, 1, 3)?;
            let button = number(*button);
            let mut strokes = reach(*at, scale)?;
            for click in 0..*count {
                strokes.extend((click > 0).then_some(Stroke::Rest(AGAIN_MS)));
                strokes.extend([Stroke::ButtonDown(button), Stroke::Rest(CLICK_MS), Stroke::ButtonUp(button)]);
            }
            Ok(at_once(holding(modifiers.as_deref(), names, strokes)?))
        }
        Action::Scroll { direction, notches, at, modifiers } => {
            in_range("notches", *notches, 1, 100)?;
            let wheel = match direction {
                Direction::Up => 4,
                Direction::Down => 5,
                Direction::Left => 6,
                Direction::Right => 7,
            };
            let mut strokes = reach(*at, scale)?;
            for _ in 0..*notches {
                strokes.extend([Stroke::ButtonDown(wheel), Stroke::ButtonUp(wheel), Stroke::Rest(NOTCH_MS)]);
            }
            Ok(at_once(holding(modifiers.as_deref(), names, strokes)?))
        }
        Action::Drag { path, modifiers } => drag(path, modifiers.as_deref(), names, scale),
        Action::Wait { duration_ms } => Ok(Plan { steps: vec![Step::Wait(duration(*duration_ms)?)], lift: vec![] }),
        Action::CursorPosition | Action::Screenshot | Action::Zoom { .. } => Ok(Plan::default()),
    }
}

fn drag(path: &[Point], modifiers: Option<&str>, names: &Names, scale: Scale) -> Result<Plan, Refusal> {
    let points = path.iter().map(|p| scale.point(*p)).collect::<Result<Vec<_>, _>>()?;
    let ([first, .., _], 2..=1000) = (points.as_slice(), points.len()) else {
        return Err(Refusal::invalid(format!(
            "a drag along {} points was asked for; 2 to 1,000 are possible",
            path.len()
        )));
    };
    let held = modifiers.map(|m| names.chord(m)).transpose()?;
    let left = number(Button::Left);
    let mut begin: Vec<Stroke> = held.iter().flat_map(downs).collect();
    begin.extend([Stroke::Move(*first), Stroke::ButtonDown(left), Stroke::Rest(GRIP_MS)]);
    let mut end = vec![Stroke::Rest(GRIP_MS), Stroke::ButtonUp(left)];
    end.extend(held.iter().flat_map(ups));
    let mut lift = vec![Stroke::ButtonUp(left)];
    lift.extend(held.iter().flat_map(ups));

    let moves: Vec<Stroke> =
        small_steps(&points).into_iter().flat_map(|p| [Stroke::Move(p), Stroke::Rest(STEP_MS)]).collect();
    let mut steps = vec![Step::Strokes(begin)];
    steps.extend(moves.chunks(STEPS_PER_BATCH).map(|batch| Step::Strokes(batch.to_vec())));
    steps.push(Step::Strokes(end));
    Ok(Plan { steps, lift })
}

/// The way along `points`, without the first, in steps that are small but not too many.
fn small_steps(points: &[Point]) -> Vec<Point> {
    let length = |a: &Point, b: &Point| f64::from(b.x - a.x).hypot(f64::from(b.y - a.y));
    let whole: f64 = points.windows(2).map(|pair| length(&pair[0], &pair[1])).sum();
    let step = STEP_PIXELS.max(whole / MAX_STEPS);
    let mut way = Vec::new();
    for pair in points.windows(2) {
        // Two steps at least, so that the shortest drag moves before it arrives.
        let count = (length(&pair[0], &pair[1]) / step).ceil().max(if points.len() == 2 { 2.0 } else { 1.0 });
        for i in 1..=count as i32 {
            let along = |a: i32, b: i32| a + (f64::from(b - a) * f64::from(i) / count).round() as i32;
            way.push(Point { x: along(pair[0].x, pair[1].x), y: along(pair[0].y, pair[1].y) });
        }
    }
    way
}

fn symbols(text: &str) -> Result<Vec<u32>, Refusal> {
    let count = text.chars().count();
    if count > MAX_TEXT {
        let message = format!("{count} characters were to be typed; at most {MAX_TEXT} are: write a file instead");
        return Err(Refusal::invalid(message));
    }
    text.replace("\r\n", "\n").chars().map(symbol_of).collect()
}

fn at_once(strokes: Vec<Stroke>) -> Plan {
    Plan { steps: vec![Step::Strokes(strokes)], lift: vec![] }
}

fn reach(at: Option<Point>, scale: Scale) -> Result<Vec<Stroke>, Refusal> {
    Ok(at.map(|p| scale.point(p)).transpose()?.map(Stroke::Move).into_iter().collect())
}

fn holding(modifiers: Option<&str>, names: &Names, strokes: Vec<Stroke>) -> Result<Vec<Stroke>, Refusal> {
    let Some(chord) = modifiers.filter(|m| !m.is_empty()).map(|m| names.chord(m)).transpose()? else {
        return Ok(strokes);
    };
    Ok([downs(&chord), strokes, ups(&chord)].concat())
}

fn press(chord: &Chord) -> Vec<Stroke> {
    [downs(chord), ups(chord)].concat()
}

fn downs(chord: &Chord) -> Vec<Stroke> {
    chord.0.iter().copied().map(Stroke::Down).collect()
}

fn ups(chord: &Chord) -> Vec<Stroke> {
    chord.0.iter().rev().copied().map(Stroke::Up).collect()
}

/// X's number of a button; the wheel has 4 to 7.
fn number(button: Button) -> u8 {
    match button {
        Button::Left => 1,
        Button::Middle => 2,
        Button::Right => 3,
        Button::Back => 8,
        Button::Forward => 9,
    }
}

fn duration(ms: u64) -> Result<Duration, Refusal> {
    if ms > MAX_HOLD_MS {
        return Err(Refusal::invalid(format!(
            "a duration of {ms} ms was asked for; at most {MAX_HOLD_MS} is possible"
        )));
    }
    Ok(Duration::from_millis(ms))
}

fn in_range(what: &str, value: u32, from: u32, to: u32) -> Result<(), Refusal> {
    if (from..=to).contains(&value) {
        return Ok(());
    }
    Err(Refusal::invalid(format!("{what} is {value}; {from} to {to} is possible")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::desktop::Size;

    use super::*;

    fn planned(action: serde_json::Value) -> Result<Plan, Refusal> {
        let action: Action = serde_json::from_value(action).unwrap();
        plan(&action, &Names::new(), Scale::new(None, Size::DEFAULT).unwrap())
    }

    fn strokes(plan: &Plan) -> Vec<Stroke> {
        let of = |step: &Step| match step {
            Step::Strokes(strokes) => strokes.clone(),
            _ => vec![],
        };
        plan.steps.iter().flat_map(of).collect()
    }

    #[test]
    fn modifiers_are_down_before_a_click_and_up_after_it() {
        let plan =
            planned(serde_json::json!({"action": "click", "at": {"x": 3, "y": 4}, "modifiers": "ctrl+shift"})).unwrap();

        let strokes = strokes(&plan);

        assert!(matches!(strokes[..3], [Stroke::Down(_), Stroke::Down(_), Stroke::Move(Point { x: 3, y: 4 })]));
        assert!(matches!(strokes[strokes.len() - 3..], [Stroke::ButtonUp(1), Stroke::Up(_), Stroke::Up(_)]));
    }

    #[test]
    fn whatever_is_out_of_range_is_refused_as_a_whole() {
        for action in [
            serde_json::json!({"action": "click", "at": {"x": 1280, "y": 0}}),
            serde_json::json!({"action": "click", "at": {"x": -1, "y": 0}}),
            serde_json::json!({"action": "click", "count": 4}),
            serde_json::json!({"action": "click", "count": 0}),
            serde_json::json!({"action": "click", "modifiers": "ctrl+nokey"}),
            serde_json::json!({"action": "mouse_move", "to": {"x": 0, "y": 800}}),
            serde_json::json!({"action": "drag", "path": [{"x": 0, "y": 0}]}),
            serde_json::json!({"action": "drag", "path": [{"x": 0, "y": 0}, {"x": 5000, "y": 0}]}),
            serde_json::json!({"action": "drag", "path": []}),
            serde_json::json!({"action": "scroll", "direction": "up", "notches": 0}),
            serde_json::json!({"action": "scroll", "direction": "up", "notches": 101}),
            serde_json::json!({"action": "key", "keys": "a", "repeat": 0}),
            serde_json::json!({"action": "key", "keys": "a", "repeat": 101}),
            serde_json::json!({"action": "key", "keys": "Retrun"}),
            serde_json::json!({"action": "hold_key", "keys": "a", "duration_ms": 60_001}),
            serde_json::json!({"action": "wait", "duration_ms": 60_001}),
            serde_json::json!({"action": "type", "text": "ok\u{1}"}),
        ] {
            let refused = planned(action.clone()).unwrap_err();
            assert_eq!(refused.kind, crate::link::RefusalKind::Invalid, "{action}");
        }
    }

    #[test]
    fn a_held_key_and_a_drag_say_how_they_are_lifted() {
        let hold = planned(serde_json::json!({"action": "hold_key", "keys": "ctrl+w", "duration_ms": 5})).unwrap();
        let drag =
            planned(serde_json::json!({"action": "drag", "path": [{"x": 0, "y": 0}, {"x": 9, "y": 0}]})).unwrap();

        assert_eq!(hold.lift.len(), 2);
        assert_eq!(drag.lift, [Stroke::ButtonUp(1)]);
    }

    proptest! {
        #[test]
        fn a_drag_visits_every_point_in_order_and_is_bounded(
            path in prop::collection::vec((0..1280i32, 0..800i32), 2..200),
        ) {
            let points: Vec<Point> = path.iter().map(|(x, y)| Point { x: *x, y: *y }).collect();

            let way = small_steps(&points);

            prop_assert!(way.len() <= MAX_STEPS as usize + 2 * points.len());
            let mut walked = way.iter();
            for point in &points[1..] {
                prop_assert!(walked.any(|p| p == point));
            }
        }
    }
}
