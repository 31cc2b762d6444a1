//! Whether a refused call of the model is tried again, and when.

use std::time::Duration;

use http::HeaderMap;

/// Calls of the model for one answer.
pub const MAX_ATTEMPTS: u32 = 8;

/// The provider decides when it says so, else the status does.
pub fn is_worth_it(status: u16, headers: &HeaderMap) -> bool {
    match text(headers, "x-should-retry") {
        Some("true") => true,
        Some("false") => false,
        _ => matches!(status, 408 | 409 | 429) || status >= 500,
    }
}

/// What the provider asks for when it is at most a minute, else 0.5 s doubled up to 8 s; `luck` (0 to 1) spreads a crowd.
pub fn wait(attempt: u32, headers: Option<&HeaderMap>, luck: f64) -> Duration {
    let asked = headers.and_then(|headers| {
        let ms = text(headers, "retry-after-ms").and_then(|ms| ms.parse::<f64>().ok());
        let s = || text(headers, "retry-after").and_then(|s| s.parse::<f64>().ok()).map(|s| s * 1000.0);
        ms.or_else(s).filter(|ms| *ms > 0.0 && *ms <= 60_000.0)
    });
    match asked {
        Some(ms) => Duration::from_micros((ms * 1000.0) as u64),
        None => {
            let full = Duration::from_millis(500) * 2u32.pow(attempt.min(4));
            full.min(Duration::from_secs(8)).mul_f64(1.0 - luck.clamp(0.0, 1.0) / 4.0)
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
        assert!(is_worth_it(400, &headers(&[("x-should-retry", "true")])));
        assert!(!is_worth_it(529, &headers(&[("x-should-retry", "false")])));
        let retried: Vec<u16> = [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503, 529]
            .into_iter()
            .filter(|s| is_worth_it(*s, &headers(&[])))
            .collect();
        assert_eq!(retried, [408, 409, 429, 500, 503, 529]);
    }

    #[test]
    fn the_wait_is_what_was_asked_for_or_doubles() {
        let both = headers(&[("retry-after-ms", "250"), ("retry-after", "3")]);

        assert_eq!(wait(0, Some(&both), 0.0), Duration::from_millis(250));
        assert_eq!(wait(0, Some(&headers(&[("retry-after", "3")])), 0.0), Duration::from_secs(3));
        assert_eq!(wait(0, Some(&headers(&[("retry-after", "3600")])), 0.0), Duration::from_millis(500));
        assert_eq!(wait(0, Some(&headers(&[("retry-after", "NaN")])), 0.0), Duration::from_millis(500));
        assert_eq!(wait(30, None, 0.0), Duration::from_secs(8));
        assert_eq!(wait(30, None, 1.0), Duration::from_secs(6));
    }
}
