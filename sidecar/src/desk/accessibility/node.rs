//! One thing of the tree: what it is asked, and what is told of it.

use std::{collections::HashMap, time::Instant};

use protocol::{accessibility::AccessibleNode, action::Rect};
use zbus::zvariant::OwnedValue;

use super::bus::{Bus, Reference, Unanswered};

const ACCESSIBLE: &str = "org.a11y.atspi.Accessible";
const COMPONENT: &str = "org.a11y.atspi.Component";
const TEXT: &str = "org.a11y.atspi.Text";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Of a name or a text, in characters.
const MAX_NAME: usize = 200;
const MAX_TEXT: usize = 1_000;
/// Of one thing's children; a table has a million, of which a dozen are shown.
pub(super) const MAX_CHILDREN: usize = 500;
/// Where an application's windows stand.
const WINDOWS: u32 = 1;
/// Extents relative to the screen.
const OF_SCREEN: u32 = 0;

/// Roles whose text is worth reading. That of a password is never read.
const WITH_TEXT: &[&str] =
    &["entry", "text", "terminal", "paragraph", "document text", "editbar", "spin button", "autocomplete"];

/// Bits of AT-SPI's state set, with the names they are told by.
const STATES: &[(u32, &str)] = &[
    (1, "active"),
    (3, "busy"),
    (4, "checked"),
    (5, "collapsed"),
    (7, "editable"),
    (10, "expanded"),
    (12, "focused"),
    (16, "modal"),
    (20, "pressed"),
    (23, "selected"),
    (32, "indeterminate"),
    (33, "required"),
    (36, "invalid"),
    (43, "read-only"),
];
const SENSITIVE: u32 = 24;
const SHOWING: u32 = 25;
const ENABLED: u32 = 8;

/// What was read of one thing.
pub(super) struct Read {
    pub(super) node: AccessibleNode,
    pub(super) children: Vec<Reference>,
    /// It has more children than these.
    pub(super) more: bool,
    /// Can it be seen? What stands in something hidden cannot either.
    pub(super) showing: bool,
}

pub(super) async fn read(bus: &Bus, at: &Reference, depth: u32, deadline: Instant) -> Result<Read, Unanswered> {
    if depth <= WINDOWS + 1 {
        // Chromium begins to put up its tree when somebody asks for these.
        let attributes = bus.ask::<_, HashMap<String, String>>(at, ACCESSIBLE, "GetAttributes", &(), deadline);
        let interfaces = bus.ask::<_, Vec<String>>(at, ACCESSIBLE, "GetInterfaces", &(), deadline);
        let _ = tokio::join!(attributes, interfaces);
    }
    let role = bus.ask::<_, String>(at, ACCESSIBLE, "GetRoleName", &(), deadline);
    let states = bus.ask::<_, Vec<u32>>(at, ACCESSIBLE, "GetState", &(), deadline);
    let name = property::<String>(bus, at, (ACCESSIBLE, "Name"), deadline);
    let count = property::<i32>(bus, at, (ACCESSIBLE, "ChildCount"), deadline);
    let extents = bus.ask::<_, (i32, i32, i32, i32)>(at, COMPONENT, "GetExtents", &OF_SCREEN, deadline);
    let (role, states, name, count, extents) = tokio::join!(role, states, name, count, extents);
    let (role, states) = (role?, states?);
    let (name, count) = (name?.unwrap_or_default(), count?.unwrap_or(0).max(0) as usize);
    let has = |bit: u32| states.get(bit as usize / 32).is_some_and(|word| word >> (bit % 32) & 1 == 1);
    // An application itself has no states; each of its windows tells its own.
    let area = |(_, _, width, height): &(i32, i32, i32, i32)| *width > 0 && *height > 0;
    let showing = depth == 0 || (has(SHOWING) && extents.as_ref().ok().is_none_or(area));

    let (mut children, mut text) = (Vec::new(), String::new());
    if showing {
        children = children_of(bus, at, count, deadline).await?;
        if WITH_TEXT.contains(&role.as_str()) {
            // Qt answers nothing for a range that ends behind the text.
            let length = property::<i32>(bus, at, (TEXT, "CharacterCount"), deadline).await.ok().flatten();
            let range = (0_i32, length.unwrap_or(0).clamp(0, MAX_TEXT as i32));
            text = bus.ask(at, TEXT, "GetText", &range, deadline).await.unwrap_or_default();
        }
    }
    let mut told: Vec<String> =
        STATES.iter().filter(|(bit, _)| has(*bit)).map(|(_, name)| (*name).to_owned()).collect();
    // Chromium sets only one of the two on what can be used.
    if depth > 0 && !has(SENSITIVE) && !has(ENABLED) {
        told.push("disabled".to_owned());
    }
    let bounds = extents.ok().and_then(|(x, y, width, height)| {
        let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
        Some(Rect { x, y, width, height })
    });
    let node = AccessibleNode {
        depth,
        role: clip(&role, MAX_NAME),
        name: clip(&name, MAX_NAME),
        text: clip(&text, MAX_TEXT),
        states: told,
        bounds,
    };
    Ok(Read { node, more: children.len() < count, children, showing })
}

/// One property. Never all at once (`GetAll`): Qt 5 crashes when it is asked so.
async fn property<T>(
    bus: &Bus,
    at: &Reference,
    (interface, name): (&str, &str),
    deadline: Instant,
) -> Result<Option<T>, Unanswered>
where
    T: TryFrom<OwnedValue>,
{
    let value: OwnedValue = bus.ask(at, PROPERTIES, "Get", &(interface, name), deadline).await?;
    Ok(T::try_from(value).ok())
}

async fn children_of(bus: &Bus, at: &Reference, count: usize, deadline: Instant) -> Result<Vec<Reference>, Unanswered> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if count <= MAX_CHILDREN {
        let mut children: Vec<Reference> = bus.ask(at, ACCESSIBLE, "GetChildren", &(), deadline).await?;
        children.truncate(MAX_CHILDREN);
        return Ok(children);
    }
    let mut children = Vec::new();
    for index in 0..MAX_CHILDREN as i32 {
        match bus.ask(at, ACCESSIBLE, "GetChildAtIndex", &index, deadline).await {
            Ok(child) => children.push(child),
            Err(Unanswered::No) => {}
            Err(Unanswered::Late) => break,
        }
    }
    Ok(children)
}

/// One line; the object replacement characters that stand for embedded things say nothing.
fn clip(text: &str, most: usize) -> String {
    let shown = text.chars().filter(|c| *c != '\u{fffc}' && (!c.is_control() || *c == '\n' || *c == '\t'));
    shown.take(most).collect()
}
