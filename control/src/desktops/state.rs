//! What a desktop may become next.

use protocol::desktop::DesktopState::{self, *};

/// What happens to a desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Its owner wants it to run.
    StartAsked,
    /// Its owner wants it not to run.
    StopAsked,
    /// Its owner wants a fresh VM under it.
    RebootAsked,
    DeleteAsked,
    /// A generation was written down; the provider is about to be asked.
    Launch,
    /// The provider says that the VM runs.
    VmRuns,
    /// The sidecar of this generation reports a painted screen.
    Painted,
    /// The VM ended by itself, or was taken away.
    VmGone,
    /// The VM is ended as we asked, home kept.
    VmEnded,
    /// It cannot go on by itself.
    GiveUp,
    /// VM and home are gone.
    Removed,
}

/// The event has no place in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    pub state: DesktopState,
    pub event: Event,
}

/// The state that follows `state` upon `event`.
pub fn on(state: DesktopState, event: Event) -> Result<DesktopState, Refused> {
    Ok(match (state, event) {
        (Deleted, _) => return Err(Refused { state, event }),
        (_, Event::DeleteAsked) => Deleting,
        (Deleting, Event::Removed) => Deleted,
        (Deleting, _) => return Err(Refused { state, event }),

        (Stopped | Failed, Event::StartAsked) => Requested,
        (Requested | Launching | Booting | Ready | Interrupted, Event::StartAsked) => state,

        (Requested | Launching | Booting | Ready | Interrupted | Failed, Event::StopAsked) => Stopping,
        (Stopping | Stopped, Event::StopAsked) => state,

        (Launching | Booting | Ready, Event::RebootAsked) => Interrupted,

        (Requested | Interrupted, Event::Launch) => Launching,
        (Launching, Event::VmRuns) => Booting,
        (Booting, Event::Painted) => Ready,
        (Launching | Booting | Ready, Event::VmGone) => Interrupted,
        (Stopping, Event::VmEnded) => Stopped,
        (Requested | Launching | Booting | Ready | Interrupted, Event::GiveUp) => Failed,

        _ => return Err(Refused { state, event }),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVENTS: [Event; 11] = [
        Event::StartAsked,
        Event::StopAsked,
        Event::RebootAsked,
        Event::DeleteAsked,
        Event::Launch,
        Event::VmRuns,
        Event::Painted,
        Event::VmGone,
        Event::VmEnded,
        Event::GiveUp,
        Event::Removed,
    ];

    fn walk(events: &[usize]) -> Vec<DesktopState> {
        let mut state = Requested;
        let mut seen = vec![state];
        for &event in events {
            state = on(state, EVENTS[event]).unwrap_or(state);
            seen.push(state);
        }
        seen
    }

    #[test]
    fn a_desktop_lives_from_request_to_deletion() {
        use Event::*;
        let mut state = Requested;
        for (event, expected) in [
            (Launch, Launching),
            (VmRuns, Booting),
            (Painted, Ready),
            (VmGone, Interrupted),
            (Launch, Launching),
            (VmRuns, Booting),
            (Painted, Ready),
            (StopAsked, Stopping),
            (VmEnded, Stopped),
            (StartAsked, Requested),
            (GiveUp, Failed),
            (StartAsked, Requested),
            (DeleteAsked, Deleting),
            (Removed, Deleted),
        ] {
            state = on(state, event).unwrap();
            assert_eq!(state, expected);
        }
    }

    #[test]
    fn a_stopping_desktop_must_stop_before_it_starts() {
        assert!(on(Stopping, Event::StartAsked).is_err());
    }

    proptest! {
        #[test]
        fn a_deletion_is_never_taken_back(events in prop::collection::vec(0..EVENTS.len(), 0..60)) {
            let seen = walk(&events);
            for pair in seen.windows(2) {
                prop_assert!(pair[0] != Deleting || matches!(pair[1], Deleting | Deleted));
                prop_assert!(pair[0] != Deleted || pair[1] == Deleted);
            }
        }

        #[test]
        fn nothing_is_ready_that_was_not_launched(events in prop::collection::vec(0..EVENTS.len(), 0..60)) {
            let seen = walk(&events);
            for (at, state) in seen.iter().enumerate() {
                if *state == Ready && at > 0 && seen[at - 1] != Ready {
                    prop_assert_eq!(seen[at - 1], Booting);
                }
                if *state == Booting && at > 0 && seen[at - 1] != Booting {
                    prop_assert_eq!(seen[at - 1], Launching);
                }
            }
        }

        #[test]
        fn whoever_asks_for_deletion_gets_it(events in prop::collection::vec(0..EVENTS.len(), 0..60)) {
            let last = *walk(&events).last().unwrap();
            prop_assert!(last == Deleted || on(last, Event::DeleteAsked) == Ok(Deleting));
        }
    }
}
