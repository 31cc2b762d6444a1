//! Whether a call of the model that gave no message is made again, and when.

use std::time::Duration;

use http::HeaderMap;

/// Calls of the model for one answer.
const MAX_ATTEMPTS: u32 = 8;

/// May another call do?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    Never,
    /// After a pause that grows.
    InAWhile,
    /// When the provider says.
    After(Duration),
}

impl Again {
    /// The provider decides when it says so, else the status does. It is heard when it asks for at most a minute.
    pub fn after(status: u16, headers: &HeaderMap) -> Self {
        let is_worth_it = match text(headers, "x-should-retry") {
            Some("true") => true,
            Some("false") => false,
            _ => matches!(status, 408 | 409 | 429) || status >= 500,
        };
        if !is_worth_it {
            return Self::Never;
        }
        let ms = text(headers, "retry-after-ms").and_then(|ms| ms.parse::<f64>().ok());
        let s = || text(headers, "retry-after").and_then(|s| s.parse::<f64>().ok()).map(|s| s * 1000.0);
        match ms.or_else(s).filter(|ms| *ms > 0.0 && *ms <= 60_000.0) {
            Some(ms) => Self::After(Duration::from_micros((ms * 1000.0) as u64)),
            None => Self::InAWhile,
        }
    }

    /// How long to wait when `attempts` calls failed before this one, 0.5 s doubled up to 8 s unless told; `luck` (0 to 1)
    /// spreads a crowd. `None` when it is enough.
    pub fn wait(self, attempts: u32, luck: f64) -> Option<Duration> {
        if attempts + 1 >= MAX_ATTEMPTS {
            return None;
        }
        match self {
            Self::Never => None,
            Self::After(asked) => Some(asked),
            Self::InAWhile => {
                let full = Duration::from_millis(500) * 2u32.pow(attempts.min(4));
                Some(full.min(Duration::from_secs(8)).mul_f64(1.0 - luck.clamp(0.0, 1.0) / 4.0))
            }
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn the_providers_word_goes_before_the_status() {
        assert_eq!(Again::after(400, &headers(&[("x-should-retry", "true")])), Again::InAWhile);
        assert_eq!(Again::after(529, &headers(&[("x-should-retry", "false")])), Again::Never);
        let retried: Vec<u16> = [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503, 529]
            .into_iter()
            .filter(|s| Again::after(*s, &headers(&[])) != Again::Never)
            .collect();
        assert_eq!(retried, [408, 409, 429, 500, 503, 529]);
    }

    #[test]
    fn the_wait_is_what_was_asked_for_or_doubles() {
        let asked = |pairs: &[(&'static str, &'static str)]| Again::after(429, &headers(pairs));

        assert_eq!(asked(&[("retry-after-ms", "250"), ("retry-after", "3")]), Again::After(Duration::from_millis(250)));
        assert_eq!(asked(&[("retry-after", "3")]), Again::After(Duration::from_secs(3)));
        assert_eq!(asked(&[("retry-after", "3600")]), Again::InAWhile);
        assert_eq!(asked(&[("retry-after", "NaN")]), Again::InAWhile);
        assert_eq!(Again::InAWhile.wait(0, 0.0), Some(Duration::from_millis(500)));
        assert_eq!(Again::InAWhile.wait(6, 0.0), Some(Duration::from_secs(8)));
        assert_eq!(Again::InAWhile.wait(6, 1.0), Some(Duration::from_secs(6)));
    }

    #[test]
    fn after_so_many_calls_it_is_enough() {
        let minute = Duration::from_secs(60);

        assert_eq!(Again::After(minute).wait(6, 0.0), Some(minute));
        assert_eq!((Again::After(minute).wait(7, 0.0), Again::InAWhile.wait(7, 0.0)), (None, None));
    }
}
