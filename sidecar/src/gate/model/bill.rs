//! What one call of the model uses, known at every moment of it: most providers say so only at the end, and a call that
//! ends sooner is paid for as well.

use protocol::event::Usage;
use serde_json::Value;

use super::estimate;

/// A call's usage so far: told by the provider, or else estimated. Thoughts that are not shown are known to it alone.
#[derive(Debug, Default)]
pub struct Bill {
    /// The question's tokens, estimated; `None` while nobody works on it.
    asked: Option<u64>,
    said: Usage,
    /// Bytes of the answer that came.
    streamed: u64,
}

impl Bill {
    /// A question of so many tokens is asked.
    pub fn open(&mut self, asked: u64) {
        *self = Self { asked: Some(asked), ..Self::default() };
    }

    /// The provider did not take the question.
    pub fn refused(&mut self) {
        *self = Self::default();
    }

    /// Counts are cumulative: the last ones hold.
    pub fn said(&mut self, usage: Usage) {
        self.said = usage;
    }

    pub fn streamed(&mut self, text: &str) {
        self.streamed += text.len() as u64;
    }

    /// The answer is whole: what it used is the message's to tell.
    pub fn settle(&mut self, content: &[Value], said: Usage) -> Usage {
        let Self { asked, .. } = std::mem::take(self);
        if said.tokens() > 0 {
            return said;
        }
        // Some servers never say.
        let written = content.iter().map(estimate::of_request).sum();
        Usage { input_tokens: asked.unwrap_or(0), output_tokens: written, ..Usage::default() }
    }

    /// What was used of which nothing came; nothing is owed afterwards.
    pub fn lost(&mut self) -> Option<Usage> {
        let Self { asked, said, streamed } = std::mem::take(self);
        let asked = asked?;
        let mut usage = said;
        if usage.tokens() == usage.output_tokens {
            usage.input_tokens = asked;
        }
        usage.output_tokens = usage.output_tokens.max(estimate::of_bytes(streamed));
        Some(usage)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn usage(input_tokens: u64, output_tokens: u64) -> Usage {
        Usage { input_tokens, output_tokens, ..Usage::default() }
    }

    #[test]
    fn what_breaks_off_is_estimated_as_far_as_nobody_says() {
        let lost = |said: Option<Usage>| {
            let mut bill = Bill::default();
            bill.open(1000);
            said.into_iter().for_each(|said| bill.said(said));
            bill.streamed(&"x".repeat(300));
            bill.lost()
        };

        assert_eq!(lost(None), Some(usage(1000, 100)));
        assert_eq!(lost(Some(usage(800, 1))), Some(usage(800, 100)));
        assert_eq!(lost(Some(usage(800, 120))), Some(usage(800, 120)));
        let cached = Usage { cache_read_input_tokens: 700, ..usage(0, 0) };
        assert_eq!(lost(Some(cached)), Some(Usage { output_tokens: 100, ..cached }));
    }

    #[test]
    fn nothing_is_owed_for_what_was_refused_or_has_a_message() {
        let (mut refused, mut whole) = (Bill::default(), Bill::default());
        refused.open(1000);
        whole.open(1000);

        refused.refused();
        let told = whole.settle(&[], usage(5, 7));

        assert_eq!((refused.lost(), whole.lost(), told), (None, None, usage(5, 7)));
    }

    #[test]
    fn a_server_that_never_counts_is_counted_for() {
        let mut bill = Bill::default();
        bill.open(1000);

        let used = bill.settle(&[json!({"type": "text", "text": "x".repeat(300)})], Usage::default());

        assert!(used.input_tokens == 1000 && (100..120).contains(&used.output_tokens), "{used:?}");
    }
}
