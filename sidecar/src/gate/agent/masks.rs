//! Values that are shown to nobody: they are found in all that comes back, as they are and as JSON writes them.

use std::{
    cmp::Reverse,
    sync::{Arc, Mutex, PoisonError},
};

use protocol::{
    mcp::MASK,
    secret::{PLACEHOLDER, PLACEHOLDER_END},
};
use zeroize::Zeroizing;

/// A shorter secret would be found in everything.
const SHORTEST_SECRET: usize = 4;
/// Settings are often no secrets at all, but words like `true` and `debug`.
const SHORTEST_SETTING: usize = 6;
/// Logs show a value of several lines line by line.
const SHORTEST_LINE: usize = 8;

/// The values that were put in since this process began.
#[derive(Default)]
pub struct Masks {
    hidden: Mutex<Vec<Hidden>>,
    /// What is hidden here too.
    more: Option<Arc<Masks>>,
}

struct Hidden {
    value: Zeroizing<String>,
    /// Stands where the value stood.
    mark: String,
    forms: Vec<Zeroizing<String>>,
}

/// A part of a text that is not to be shown.
struct Span {
    start: usize,
    end: usize,
    mark: String,
}

impl Masks {
    /// Hides what `more` hides, and what it learns itself.
    pub fn over(more: Arc<Masks>) -> Self {
        Self { hidden: Mutex::default(), more: Some(more) }
    }

    /// A secret of the user, which is shown as its placeholder.
    pub fn remember(&self, name: &str, value: &Zeroizing<String>) {
        if value.len() >= SHORTEST_SECRET {
            self.hide(value, format!("{PLACEHOLDER}{name}{PLACEHOLDER_END}"));
        }
    }

    /// What a person wrote down as the setting of this name.
    pub fn remember_setting(&self, name: &str, value: &str) {
        // What follows a scheme, as in `Bearer …`, is the secret.
        for value in [value].into_iter().chain(value.split_once(' ').map(|(_, rest)| rest)) {
            if value.len() >= SHORTEST_SETTING {
                self.hide(value, format!("[{MASK} {name}]"));
            }
        }
    }

    /// The text with every value replaced by its mark.
    pub fn mask(&self, text: String) -> String {
        let spans = self.spans(&text, false);
        if spans.is_empty() { text } else { covered(&text, spans) }
    }

    /// The same for a text whose end was cut off: what may be the beginning of a value there is masked too.
    pub fn mask_cut(&self, text: &str) -> String {
        covered(text, self.spans(text, true))
    }

    fn hide(&self, value: &str, mark: String) {
        let mut hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        if !hidden.iter().any(|known| *known.value == value) {
            hidden.push(Hidden { value: Zeroizing::new(value.to_owned()), mark, forms: forms(value) });
        }
    }

    fn spans(&self, text: &str, is_cut: bool) -> Vec<Span> {
        let mut spans = self.more.as_ref().map(|more| more.spans(text, is_cut)).unwrap_or_default();
        for Hidden { mark, forms, .. } in &*self.hidden.lock().unwrap_or_else(PoisonError::into_inner) {
            for form in forms {
                let whole = text.match_indices(form.as_str()).map(|(start, _)| (start, start + form.len()));
                let begun = is_cut.then(|| begun(text, form)).flatten().map(|start| (start, text.len()));
                spans.extend(whole.chain(begun).map(|(start, end)| Span { start, end, mark: mark.clone() }));
            }
        }
        spans
    }
}

/// Where a value begins that the end of the text cuts off.
fn begun(text: &str, form: &str) -> Option<usize> {
    let parts = (1..form.len()).rev().filter_map(|length| form.get(..length));
    parts.into_iter().find(|part| text.ends_with(part)).map(|part| text.len() - part.len())
}

/// Values may overlap or hold each other; then one mark stands for all of them, that of the first and longest.
fn covered(text: &str, mut spans: Vec<Span>) -> String {
    spans.sort_by_key(|span| (span.start, Reverse(span.end)));
    let (mut shown, mut at) = (String::with_capacity(text.len()), 0);
    for Span { start, end, mark } in spans {
        if start >= at {
            shown.push_str(&text[at..start]);
            shown.push_str(&mark);
        }
        at = at.max(end);
    }
    shown.push_str(&text[at..]);
    shown
}

/// A value as it is, its lines, and all of that as JSON writes it, also where a text of JSON lies in JSON.
fn forms(value: &str) -> Vec<Zeroizing<String>> {
    let lines = value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
    let mut forms = Vec::new();
    for plain in [value].into_iter().chain(lines) {
        forms.push(Zeroizing::new(plain.to_owned()));
        for writer in &WRITERS {
            let once = writer.write(plain);
            forms.push(writer.write(&once));
            forms.push(once);
        }
    }
    forms.sort_by(|one, other| one.as_str().cmp(other));
    forms.dedup();
    forms
}

/// What a writer of JSON escapes beside what each must.
struct Writer {
    ascii: bool,
    upper: bool,
    others: &'static str,
    slash: bool,
}

/// As servers' languages have them.
const WRITERS: [Writer; 5] = [
    // JavaScript, Rust
    Writer { ascii: false, upper: false, others: "", slash: false },
    // Python
    Writer { ascii: true, upper: false, others: "", slash: false },
    // Go
    Writer { ascii: false, upper: false, others: "<>&", slash: false },
    // .NET
    Writer { ascii: true, upper: true, others: "<>&'\"+`", slash: false },
    // PHP
    Writer { ascii: true, upper: false, others: "", slash: true },
];

impl Writer {
    fn write(&self, text: &str) -> Zeroizing<String> {
        let mut written = Zeroizing::new(String::with_capacity(text.len()));
        for c in text.chars() {
            match c {
                c if self.others.contains(c) || (self.ascii && !c.is_ascii()) => self.by_number(c, &mut written),
                '"' => written.push_str("\\\""),
                '\\' => written.push_str("\\\\"),
                '/' if self.slash => written.push_str("\\/"),
                '\n' => written.push_str("\\n"),
                '\r' => written.push_str("\\r"),
                '\t' => written.push_str("\\t"),
                '\u{8}' => written.push_str("\\b"),
                '\u{c}' => written.push_str("\\f"),
                c if c < ' ' => self.by_number(c, &mut written),
                c => written.push(c),
            }
        }
        written
    }

    fn by_number(&self, c: char, written: &mut String) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            written.push_str(&if self.upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(values: &[(&str, &str)]) -> Masks {
        let masks = Masks::default();
        for (name, value) in values {
            masks.remember(name, &Zeroizing::new((*value).to_owned()));
        }
        masks
    }

    fn mask(values: &[(&str, &str)], text: &str) -> String {
        masks(values).mask(text.to_owned())
    }

    #[test]
    fn values_that_hold_or_overlap_each_other_leave_nothing_of_themselves() {
        let values = [("SHORT", "hunter"), ("LONG", "hunter2-and-more"), ("TINY", "ab"), ("NEXT", "more-or-less")];

        assert_eq!(mask(&values, "hunter2-and-more, hunter, cab"), "{{secret:LONG}}, {{secret:SHORT}}, cab");
        assert_eq!(mask(&values, "<hunter2-and-more-or-less>"), "<{{secret:LONG}}>");
    }

    #[test]
    fn a_value_is_found_however_json_writes_it() {
        let value = "pä\"ss\\w/o<r>d+😀\n";
        let values = [("KEY", value)];
        let inner = serde_json::to_string(value).unwrap();
        let python = r#"{"a": "p\u00e4\"ss\\w/o<r>d+\ud83d\ude00\n"}"#;
        let dotnet = r#"{"a": "p\u00E4\u0022ss\\w/o\u003Cr\u003Ed\u002B\uD83D\uDE00\n"}"#;
        let php = r#"{"a": "p\u00e4\"ss\\w\/o<r>d+\ud83d\ude00\n"}"#;

        assert_eq!(mask(&values, &inner), r#""{{secret:KEY}}""#);
        assert_eq!(mask(&values, &serde_json::to_string(&inner).unwrap()), r#""\"{{secret:KEY}}\"""#);
        for written in [python, dotnet, php] {
            assert_eq!(mask(&values, written), r#"{"a": "{{secret:KEY}}"}"#, "{written}");
        }
        assert_eq!(mask(&[("GO", "a<b>&c")], r#""a\u003cb\u003e\u0026c""#), r#""{{secret:GO}}""#);
    }

    #[test]
    fn the_lines_of_a_value_are_hidden_one_by_one() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADAN\nab\n-----END KEY-----\n";

        assert_eq!(mask(&[("PEM", key)], "MIIEvQIBADAN"), "{{secret:PEM}}");
        assert_eq!(mask(&[("PEM", key)], "abc"), "abc");
    }

    #[test]
    fn what_begins_at_a_cut_is_hidden_too() {
        let masks = masks(&[("KEY", "hunter2-änd-more")]);

        assert_eq!(masks.mask_cut("it is hunter2-ä"), "it is {{secret:KEY}}");
        assert_eq!(masks.mask_cut(r"it is hunter2-\u00"), "it is {{secret:KEY}}");
        assert_eq!(masks.mask_cut("hunter2-änd-more is hers"), "{{secret:KEY}} is hers");
        assert_eq!(masks.mask("it is hunter2".to_owned()), "it is hunter2", "a whole text ends as it ends");
    }

    #[test]
    fn a_setting_is_hidden_where_it_was_made_unless_it_is_a_word() {
        let shared = Arc::new(masks(&[("KEY", "hunter22")]));
        let own = Masks::over(shared.clone());
        own.remember_setting("Authorization", "Bearer abcdef123");
        own.remember_setting("DEBUG", "true");

        let text = "Bearer abcdef123, abcdef123, hunter22, true";
        assert_eq!(own.mask(text.to_owned()), "[•••• Authorization], [•••• Authorization], {{secret:KEY}}, true");
        assert_eq!(shared.mask(text.to_owned()), "Bearer abcdef123, abcdef123, {{secret:KEY}}, true");
    }
}
