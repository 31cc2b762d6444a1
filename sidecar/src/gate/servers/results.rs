//! What a tool of a server answered, as a model and people may see it.

use base64::{Engine, engine::general_purpose::STANDARD};
use protocol::desktop::Size;
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

use crate::{
    gate::{agent::sight, desk::Shot},
    link::Format,
};

/// Of a result, in characters.
const MAX_TEXT: usize = 100_000;
const MAX_PICTURES: usize = 8;
/// What a picture may take in memory while it is looked at.
const MAX_PIXELS: usize = 64 << 20;

pub struct Outcome {
    pub is_error: bool,
    pub parts: Vec<Part>,
}

pub enum Part {
    Text(String),
    Picture(Shot, Format),
}

/// Decodes pictures, so it takes its time.
pub fn read(result: CallToolResult) -> Outcome {
    let mut parts = Vec::new();
    let (mut room, mut cut, mut pictures) = (MAX_TEXT, 0, 0);
    let mut tell = |parts: &mut Vec<Part>, text: &str| {
        let kept: String = text.chars().take(room).collect();
        let length = kept.chars().count();
        room -= length;
        cut += text.chars().count() - length;
        if !kept.is_empty() {
            parts.push(Part::Text(kept));
        }
    };
    for block in &result.content {
        match block {
            ContentBlock::Text(text) => tell(&mut parts, &text.text),
            ContentBlock::Image(image) if pictures < MAX_PICTURES => match picture(&image.data) {
                Some((shot, format)) => {
                    pictures += 1;
                    parts.push(Part::Picture(shot, format));
                }
                None => tell(&mut parts, &unseen("a picture", &image.data)),
            },
            ContentBlock::Image(image) => tell(&mut parts, &unseen("a picture", &image.data)),
            ContentBlock::Audio(audio) => tell(&mut parts, &unseen("a sound", &audio.data)),
            ContentBlock::Resource(resource) => match &resource.resource {
                ResourceContents::TextResourceContents { uri, text, .. } => {
                    tell(&mut parts, &format!("[{}]\n{text}", short(uri)));
                }
                ResourceContents::BlobResourceContents { uri, blob, .. } => {
                    tell(&mut parts, &format!("[{}: {}]", short(uri), size(blob)));
                }
                _ => tell(&mut parts, "[a resource of an unknown kind]"),
            },
            ContentBlock::ResourceLink(link) => {
                tell(&mut parts, &format!("[{}: {}]", short(&link.name), short(&link.uri)));
            }
            _ => tell(&mut parts, "[content of an unknown kind]"),
        }
    }
    let is_told = parts.iter().any(|part| matches!(part, Part::Text(_)));
    if let Some(structured) = result.structured_content.as_ref().filter(|_| !is_told) {
        tell(&mut parts, &structured.to_string());
    }
    if cut > 0 {
        parts.push(Part::Text(format!("[{cut} more characters were cut]")));
    }
    if parts.is_empty() {
        parts.push(Part::Text("[no output]".to_owned()));
    }
    Outcome { is_error: result.is_error.unwrap_or(false), parts }
}

/// The same, where it keeps nothing else waiting.
pub async fn read_apart(result: CallToolResult) -> Outcome {
    let failed = || Outcome { is_error: true, parts: vec![Part::Text("Error: the result cannot be read".to_owned())] };
    tokio::task::spawn_blocking(move || read(result)).await.unwrap_or_else(|_| failed())
}

impl Outcome {
    /// Of texts alone; pictures by their kind and size.
    pub fn words(&self) -> String {
        let words = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Picture(shot, format) => {
                let Size { width, height } = shot.picture;
                format!("[{}, {width}x{height}, {} bytes]", format.media_type(), shot.bytes.len())
            }
        };
        self.parts.iter().map(words).collect::<Vec<_>>().join("\n")
    }
}

/// A picture that a provider takes; it would refuse every later request of a session that holds one which it does not.
fn picture(data: &str) -> Option<(Shot, Format)> {
    let bytes = STANDARD.decode(data).ok()?;
    let (size, format) = if bytes.starts_with(b"\x89PNG") {
        (png_size(&bytes)?, Format::Png)
    } else {
        (jpeg_size(&bytes)?, Format::Jpeg { quality: 80 })
    };
    let shot = Shot { bytes, picture: size, screen: size };
    sight::is_acceptable(&shot, format).then_some((shot, format))
}

/// Of one that can be decoded to its end.
fn png_size(bytes: &[u8]) -> Option<Size> {
    let limits = png::Limits { bytes: MAX_PIXELS };
    let mut reader = png::Decoder::new_with_limits(std::io::Cursor::new(bytes), limits).read_info().ok()?;
    let (width, height) = (reader.info().width, reader.info().height);
    let length = reader.output_buffer_size().filter(|length| *length <= MAX_PIXELS)?;
    reader.next_frame(&mut vec![0; length]).ok()?;
    reader.finish().ok()?;
    Some(Size { width, height })
}

fn jpeg_size(bytes: &[u8]) -> Option<Size> {
    let header = turbojpeg::read_header(bytes).ok()?;
    if header.width.checked_mul(header.height)? > MAX_PIXELS / 3 {
        return None;
    }
    turbojpeg::decompress(bytes, turbojpeg::PixelFormat::RGB).ok()?;
    Some(Size { width: u32::try_from(header.width).ok()?, height: u32::try_from(header.height).ok()? })
}

fn unseen(what: &str, data: &str) -> String {
    format!("[{what} of {} that cannot be shown]", size(data))
}

fn size(data: &str) -> String {
    format!("{} kB", (data.len() / 4 * 3).div_ceil(1000))
}

fn short(text: &str) -> String {
    text.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(content: serde_json::Value) -> CallToolResult {
        serde_json::from_value(json!({"content": content})).unwrap()
    }

    fn png(width: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, 1);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(&vec![7; width as usize * 3]).unwrap();
        bytes
    }

    fn image(bytes: &[u8]) -> serde_json::Value {
        // What a server calls it counts for nothing.
        json!({"type": "image", "data": STANDARD.encode(bytes), "mimeType": "image/x-whatever"})
    }

    #[test]
    fn a_picture_is_shown_only_if_it_is_one_that_a_provider_takes() {
        let (good, broken, wide) = (png(9), [&png(9)[..40], b"broken"].concat(), png(2001));

        let outcome = read(result(json!([image(&good), image(&broken), image(&wide), image(b"GIF89a")])));

        let Part::Picture(shot, Format::Png) = &outcome.parts[0] else { panic!("{}", outcome.words()) };
        assert_eq!(shot.picture, Size { width: 9, height: 1 });
        assert_eq!(outcome.words().matches("that cannot be shown").count(), 3, "{}", outcome.words());
    }

    #[test]
    fn a_picture_of_a_photograph_is_shown() {
        let pixels = turbojpeg::Image {
            pixels: &[0; 48][..],
            width: 4,
            pitch: 12,
            height: 4,
            format: turbojpeg::PixelFormat::RGB,
        };
        let jpeg = turbojpeg::compress(pixels, 80, turbojpeg::Subsamp::Sub2x2).unwrap();

        let outcome = read(result(json!([image(&jpeg)])));

        assert!(matches!(&outcome.parts[0], Part::Picture(_, Format::Jpeg { .. })), "{}", outcome.words());
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let outcome =
            read(result(json!([{"type": "text", "text": "ü".repeat(150_000)}, {"type": "text", "text": "end"}])));

        let words = outcome.words();
        assert!(words.ends_with("[50003 more characters were cut]") && words.chars().count() < 100_100);
    }

    #[test]
    fn other_content_is_told_in_words() {
        let outcome = read(result(json!([
            {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"},
            {"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}},
            {"type": "resource", "resource": {"uri": "file:///b", "blob": "AAAA"}},
            {"type": "resource_link", "uri": "file:///c", "name": "c"},
        ])));

        insta::assert_snapshot!(outcome.words(), @r"
        [a sound of 1 kB that cannot be shown]
        [file:///a]
        inside
        [file:///b: 1 kB]
        [c: file:///c]
        ");
    }

    #[test]
    fn structure_stands_in_for_a_text_that_is_not_there_and_nothing_is_said_to_be_nothing() {
        let structured = serde_json::from_value(json!({"content": [], "structuredContent": {"a": 1}, "isError": true}));
        let outcome = read(structured.unwrap());

        assert_eq!((outcome.words().as_str(), outcome.is_error), (r#"{"a":1}"#, true));
        assert_eq!(read(result(json!([]))).words(), "[no output]");
    }
}
