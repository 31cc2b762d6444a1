//! `{{secret:NAME}}` in what the agent types, and in settings of MCP servers: put in on the way to where it belongs.

use protocol::secret::{PLACEHOLDER, PLACEHOLDER_END, is_name};
use zeroize::Zeroizing;

use super::{journal::Journal, masks::Masks};
use crate::gate::edge::EdgeError;

/// Why a secret is not there.
#[derive(Debug, thiserror::Error)]
pub enum Unfilled {
    #[error("the user has no secret with the name {0}. Ask them to store it.")]
    Unknown(String),
    #[error("the secret {0} cannot be read now: {1}")]
    Unread(String, #[source] EdgeError),
}

/// The text with all secrets put in; from now on `masks` knows them.
pub async fn fill(journal: &Journal, masks: &Masks, text: &str) -> Result<Zeroizing<String>, Unfilled> {
    let mut filled = Zeroizing::new(text.to_owned());
    for name in names(text) {
        let value = journal.secret(name).await.map_err(|error| Unfilled::Unread(name.to_owned(), error))?;
        let value = value.ok_or_else(|| Unfilled::Unknown(name.to_owned()))?;
        masks.remember(name, &value);
        filled = put_in(&filled, name, &value);
    }
    Ok(filled)
}

pub fn has_placeholder(text: &str) -> bool {
    names(text).next().is_some()
}

/// The names of the placeholders in a text.
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(PLACEHOLDER)
        .skip(1)
        .filter_map(|rest| rest.split_once(PLACEHOLDER_END))
        .map(|(name, _)| name)
        .filter(|n| is_name(n))
}

/// The text with `value` in the place of the placeholder of `name`.
fn put_in(text: &Zeroizing<String>, name: &str, value: &Zeroizing<String>) -> Zeroizing<String> {
    Zeroizing::new(text.replace(&format!("{PLACEHOLDER}{name}{PLACEHOLDER_END}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[test]
    fn placeholders_are_found_by_their_names() {
        let text = "a {{secret:ONE}} b {{secret:two}} {{secret:TWO_2}}{{secret:";

        assert_eq!(names(text).collect::<Vec<_>>(), ["ONE", "TWO_2"]);
        assert!(!has_placeholder("{{secret:}} {{ secret:ONE }}"));
    }

    #[test]
    fn a_value_goes_in_where_its_placeholder_stands() {
        assert_eq!(*put_in(&secret("<{{secret:LONG}}>"), "LONG", &secret("v")), "<v>");
    }
}
