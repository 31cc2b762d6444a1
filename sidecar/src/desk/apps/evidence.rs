//! Which window came of a launch: pure, from what was there before and what is there now.
//!
//! A program may open its window itself, have a helper open it, or hand over to an instance that runs already, which
//! opens a window of its own or shows something else in one that is there.

use std::{collections::HashMap, time::Duration};

use protocol::window::{Evidence, Window};

use crate::desk::windows::Seen;

/// How long a running instance may take for what was handed over to it, before a window without better evidence is
/// taken; and how long before one that was there all the time and shows no change is.
pub(super) const HAND_OVER: Duration = Duration::from_millis(700);
const NO_CHANGE: Duration = Duration::from_millis(2_500);

/// What tells the window.
pub(super) struct Traces {
    pub(super) before: HashMap<u32, Window>,
    pub(super) startup_id: String,
    /// What the application's windows may be called.
    pub(super) classes: Vec<String>,
}

/// The desktop at one moment after the launch.
pub(super) struct Scene<'a> {
    /// The topmost first.
    pub(super) now: &'a [Seen],
    pub(super) elapsed: Duration,
    /// Has the launched program ended, so that another has to open the window?
    pub(super) ended: bool,
}

impl Traces {
    /// The best window there is so far, and whether that is good enough to wait for no other. `is_marked` says
    /// whether a process was started with this startup id.
    pub(super) fn judge(
        &self,
        scene: &Scene<'_>,
        is_marked: impl Fn(u32, &str) -> bool,
    ) -> Option<(u32, Evidence, bool)> {
        let fresh = scene.now.iter().filter(|seen| !seen.splash && !self.before.contains_key(&seen.window.id));
        let told = fresh.map(|seen| {
            let evidence = if seen.startup_id == self.startup_id {
                Evidence::StartupId
            } else if seen.window.pid.is_some_and(|pid| is_marked(pid, &self.startup_id)) {
                Evidence::Process
            } else if self.is_of_class(seen) {
                Evidence::Class
            } else {
                Evidence::Newest
            };
            (seen.window.id, evidence)
        });
        // The topmost of those with the same evidence.
        let fresh = told.min_by_key(|(_, evidence)| *evidence);
        let handed_over = scene.ended && scene.elapsed >= HAND_OVER;
        match fresh {
            Some((id, evidence)) if evidence != Evidence::Newest => return Some((id, evidence, true)),
            Some((id, evidence)) => return Some((id, evidence, handed_over)),
            None => {}
        }
        let own = || scene.now.iter().filter(|seen| self.classes.is_empty() || self.is_of_class(seen));
        if let Some(seen) = own().find(|seen| self.has_changed(&seen.window)) {
            return Some((seen.window.id, Evidence::Changed, handed_over));
        }
        let same = own().next().filter(|_| scene.ended && scene.elapsed >= NO_CHANGE && !self.classes.is_empty());
        same.map(|seen| (seen.window.id, Evidence::Existing, true))
    }

    fn is_of_class(&self, seen: &Seen) -> bool {
        let names = [&seen.window.class, &seen.instance];
        self.classes.iter().any(|class| names.iter().any(|name| name.eq_ignore_ascii_case(class)))
    }

    fn has_changed(&self, window: &Window) -> bool {
        self.before.get(&window.id).is_some_and(|before| {
            before.title != window.title
                || (window.focused && !before.focused)
                || (before.minimised && !window.minimised)
        })
    }
}

/// Was this process started with that startup id, by us or by one that we started?
pub(super) fn is_marked(pid: u32, startup_id: &str) -> bool {
    let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    let mark = format!("DESKTOP_STARTUP_ID={startup_id}");
    environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
}

#[cfg(test)]
mod tests {
    use protocol::action::Rect;

    use super::*;

    const AT_ONCE: Duration = Duration::from_millis(50);

    fn seen(id: u32, class: &str, title: &str) -> Seen {
        let window = Window {
            id,
            title: title.into(),
            class: class.into(),
            pid: Some(id * 10),
            bounds: Rect { x: 0, y: 0, width: 9, height: 9 },
            focused: false,
            minimised: false,
            maximised: false,
        };
        Seen::plain(window)
    }

    fn judge(before: &[Seen], now: &[Seen], elapsed: Duration, ended: bool) -> Option<(u32, Evidence, bool)> {
        let before = before.iter().map(|seen| (seen.window.id, seen.window.clone())).collect();
        let traces = Traces { before, startup_id: "ours".into(), classes: vec!["Editor".into()] };
        traces.judge(&Scene { now, elapsed, ended }, |pid, id| pid == 70 && id == "ours")
    }

    #[test]
    fn the_surest_evidence_wins_over_a_newer_window() {
        let mut told = seen(2, "x", "");
        told.startup_id = "ours".into();
        let now = [seen(9, "popup", ""), seen(3, "editor", ""), seen(7, "y", ""), told];

        assert_eq!(judge(&[], &now, AT_ONCE, false), Some((2, Evidence::StartupId, true)));
        assert_eq!(judge(&[], &now[..3], AT_ONCE, false), Some((7, Evidence::Process, true)));
        assert_eq!(judge(&[], &now[..2], AT_ONCE, false), Some((3, Evidence::Class, true)));
        assert_eq!(judge(&[], &now[..1], AT_ONCE, false), Some((9, Evidence::Newest, false)));
        assert_eq!(judge(&[], &now[..1], HAND_OVER, true), Some((9, Evidence::Newest, true)));
    }

    #[test]
    fn a_splash_is_not_the_window() {
        let mut splash = seen(1, "Editor", "");
        splash.splash = true;

        assert_eq!(judge(&[], &[splash], AT_ONCE, false), None);
    }

    #[test]
    fn what_a_running_instance_shows_is_found_once_the_program_has_handed_over() {
        let before = [seen(1, "Editor", "old"), seen(2, "other", "clock 1")];
        let now = [seen(2, "other", "clock 2"), seen(1, "Editor", "new")];

        assert_eq!(judge(&before, &now, HAND_OVER, true), Some((1, Evidence::Changed, true)));
        assert_eq!(judge(&before, &before, HAND_OVER, true), None);
        assert_eq!(judge(&before, &before, NO_CHANGE, true), Some((1, Evidence::Existing, true)));
        assert_eq!(judge(&before, &before, NO_CHANGE, false), None);
    }
}
