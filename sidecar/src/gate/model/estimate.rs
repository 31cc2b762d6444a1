//! How many tokens something takes where no provider says so: rather too many, since caps depend on it. Pure.

use protocol::desktop::Size;
use serde_json::Value;

/// English has four bytes to a token; other scripts, code and numbers have fewer.
const BYTES_OF_A_TOKEN: u64 = 3;
/// Providers count a picture by its area, Anthropic one token for so many pixels.
const PIXELS_OF_A_TOKEN: u64 = 750;
/// A picture whose size is not known here: our screenshots have less than 1,200,000 pixels.
const A_PICTURE: u64 = 1_600;

/// Of so many bytes of text.
pub fn of_bytes(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_OF_A_TOKEN)
}

pub fn of_text(text: &str) -> u64 {
    of_bytes(text.len() as u64)
}

pub fn of_picture(size: Size) -> u64 {
    (u64::from(size.width) * u64::from(size.height)).div_ceil(PIXELS_OF_A_TOKEN)
}

/// Of the body of a call, in whatever language: its texts, the names in it, and its pictures.
pub fn of_request(body: &Value) -> u64 {
    match body {
        Value::String(text) if text.starts_with("data:image/") => A_PICTURE,
        Value::String(text) => of_text(text),
        Value::Array(items) => items.iter().map(of_request).sum(),
        Value::Object(members) if members.get("type").is_some_and(|kind| kind == "base64") => A_PICTURE,
        Value::Object(members) => members.iter().map(|(name, value)| of_text(name) + of_request(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_picture_counts_by_what_it_shows_and_not_by_its_bytes() {
        let data = "A".repeat(1 << 20);

        let anthropic = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}});
        let openai = json!({"type": "input_image", "image_url": format!("data:image/png;base64,{data}")});

        for picture in [anthropic, openai] {
            assert!((A_PICTURE..A_PICTURE + 20).contains(&of_request(&picture)), "{}", of_request(&picture));
        }
        assert_eq!(of_picture(Size { width: 1280, height: 800 }), 1366);
    }

    #[test]
    fn a_text_counts_more_tokens_than_it_can_have() {
        let text = "The quick brown fox jumps over the lazy dog.";

        // Ten by every tokeniser in use.
        assert!(of_text(text) >= 10);
        assert_eq!(of_text("你好"), 2);
        assert_eq!(of_request(&json!([text, {"text": text}])), of_text(text) * 2 + 2);
    }
}
