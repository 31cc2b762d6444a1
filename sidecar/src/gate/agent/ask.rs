//! Asking a person for their word: what they are shown, and whether it still stands when they have answered.

use std::time::Duration;

use protocol::{
    action::Rect,
    approval::{ApprovalAsked, Risk},
    desktop::Size,
};

use super::{
    approve::{self, Aim, Pixels},
    hands::Hands,
    record::ToolUse,
    sight, tools, words,
};
use crate::link::{Answer, Call, Format, ScreenshotCall};

const WITHIN: Duration = Duration::from_secs(15);

/// What must not change until the action runs.
#[derive(Default)]
pub struct Watched(Option<Part>);

struct Part {
    call: ScreenshotCall,
    pixels: Pixels,
    /// The window that the keys go to, where they go to one.
    focus: Option<(u32, Rect)>,
}

impl Hands<'_> {
    /// What a person is asked; the error is what the model reads in the place of a result.
    pub async fn question(
        &self,
        tool: &ToolUse,
        risk: Option<Risk>,
        timeout_s: u32,
    ) -> Result<(ApprovalAsked, Watched), String> {
        let task = tools::plan(tool)?;
        let shown = approve::shown(tool).ok_or(words::TOO_LONG_TO_ASK)?;
        let mut asked = ApprovalAsked {
            tool_use_id: tool.id.clone(),
            tool: tool.called().chars().take(200).collect(),
            risk,
            shown,
            timeout_s,
            picture: None,
            mark: None,
            region: None,
        };
        let trace = self.trace(tools::mark(&task)).await;
        let Some(picture) = trace.picture else {
            // A command aims at nothing of the screen.
            let needs_none = approve::aim(&task, Size::DEFAULT) == Aim::Nothing;
            return if needs_none { Ok((asked, Watched::default())) } else { Err(words::NOTHING_TO_SHOW.to_owned()) };
        };
        let seen = self.picture.unwrap_or(picture.size);
        let (focus, region) = match approve::aim(&task, seen) {
            Aim::Nothing => (None, None),
            Aim::Place(place) => (None, Some(place)),
            Aim::Focus => {
                let focus = self.focus().await?;
                let place = focus.and_then(|(_, bounds)| approve::clip(bounds, seen));
                (focus, Some(place.unwrap_or(approve::whole(seen))))
            }
        };
        let watched = match region {
            Some(region) => Watched(Some(self.part(region, seen, focus).await.ok_or(words::NOTHING_TO_SHOW)?)),
            None => Watched::default(),
        };
        asked.region = region.map(|region| scale(region, seen, picture.size));
        (asked.mark, asked.picture) = (trace.mark, Some(picture));
        Ok((asked, watched))
    }

    /// Is what the action aims at still what the person has seen?
    pub async fn is_unchanged(&self, watched: &Watched) -> bool {
        let Watched(Some(before)) = watched else { return true };
        if before.focus.is_some() && self.focus().await != Ok(before.focus) {
            return false;
        }
        let (Some(region), Some(seen)) = (before.call.region, before.call.picture) else { return false };
        let now = self.part(region, seen, None).await;
        now.is_some_and(|now| before.pixels.is_same_but_for_a_caret(&now.pixels))
    }

    async fn part(&self, region: Rect, seen: Size, focus: Option<(u32, Rect)>) -> Option<Part> {
        let call = ScreenshotCall { format: Format::Png, region: Some(region), picture: Some(seen), fit: None };
        let shot = self.agent.desk().screenshot(call, sight::WITHIN).await.ok()?;
        Some(Part { call, pixels: Pixels::read(&shot.bytes)?, focus })
    }

    async fn focus(&self) -> Result<Option<(u32, Rect)>, String> {
        match self.agent.desk().call(&Call::Windows { picture: self.picture }, WITHIN).await {
            Ok(Answer::Windows { windows }) => {
                Ok(windows.into_iter().find(|window| window.focused).map(|window| (window.id, window.bounds)))
            }
            _ => Err(words::NOTHING_TO_SHOW.to_owned()),
        }
    }
}

fn scale(rect: Rect, from: Size, to: Size) -> Rect {
    let along =
        |length: u32, from: u32, to: u32| (u64::from(length) * u64::from(to) / u64::from(from.max(1))).max(1) as u32;
    let at = sight::scale(protocol::action::Point { x: rect.x, y: rect.y }, from, to);
    Rect {
        x: at.x,
        y: at.y,
        width: along(rect.width, from.width, to.width),
        height: along(rect.height, from.height, to.height),
    }
}
