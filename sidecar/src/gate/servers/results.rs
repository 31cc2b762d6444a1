//! What a tool of a server answered, as a model and people may see it.

use std::{io::Cursor, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use protocol::desktop::Size;
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

use crate::{
    gate::{
        agent::{masks::Masks, sight},
        desk::Shot,
    },
    link::Format,
};

/// Of a result, in characters.
const MAX_TEXT: usize = 100_000;
const MAX_PICTURES: usize = 8;
/// What a PNG may take in memory while it is looked at.
const MAX_PIXELS: usize = 64 << 20;
/// Of a JPEG: each has to be decoded over the whole picture, and those that are made have about ten.
const MAX_SCANS: u32 = 50;

pub struct Outcome {
    pub is_error: bool,
    pub parts: Vec<Part>,
}

pub enum Part {
    Text(String),
    Picture(Shot, Format),
}

/// Decodes pictures, so it takes its time. Texts are masked before they are cut, so that no half of a secret is left.
pub fn read(result: CallToolResult, masks: &Masks) -> Outcome {
    let mut parts = Vec::new();
    let (mut room, mut cut, mut pictures) = (MAX_TEXT, 0, 0);
    let mut tell = |parts: &mut Vec<Part>, text: &str| {
        let text = masks.mask(text.to_owned());
        let kept: String = text.chars().take(room).collect();
        let length = kept.chars().count();
        room -= length;
        cut += text.chars().count() - length;
        if !kept.is_empty() {
            parts.push(Part::Text(kept));
        }
    };
    let short = |text: &str| -> String { masks.mask(text.to_owned()).chars().take(500).collect() };
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
pub async fn read_apart(result: CallToolResult, masks: Arc<Masks>) -> Outcome {
    let failed = || Outcome { is_error: true, parts: vec![Part::Text("Error: the result cannot be read".to_owned())] };
    tokio::task::spawn_blocking(move || read(result, &masks)).await.unwrap_or_else(|_| failed())
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
    let is_png = bytes.starts_with(b"\x89PNG");
    let format = if is_png { Format::Png } else { Format::Jpeg { quality: 80 } };
    let size = if is_png { png_size(&bytes) } else { jpeg_size(&bytes) }?;
    let shot = Shot { bytes, picture: size, screen: size };
    // Nothing is decoded that is too large anyhow.
    if !sight::is_acceptable(&shot, format) {
        return None;
    }
    let decoded = if is_png { decode_png(&shot.bytes) } else { decode_jpeg(&shot.bytes, size) };
    decoded.map(|()| (shot, format))
}

fn png_size(bytes: &[u8]) -> Option<Size> {
    let reader = png_reader(bytes)?;
    Some(Size { width: reader.info().width, height: reader.info().height })
}

/// To its end.
fn decode_png(bytes: &[u8]) -> Option<()> {
    let mut reader = png_reader(bytes)?;
    let length = reader.output_buffer_size().filter(|length| *length <= MAX_PIXELS)?;
    reader.next_frame(&mut vec![0; length]).ok()?;
    reader.finish().ok()
}

fn png_reader(bytes: &[u8]) -> Option<png::Reader<Cursor<&[u8]>>> {
    png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: MAX_PIXELS }).read_info().ok()
}

fn jpeg_size(bytes: &[u8]) -> Option<Size> {
    let header = turbojpeg::read_header(bytes).ok()?;
    Some(Size { width: u32::try_from(header.width).ok()?, height: u32::try_from(header.height).ok()? })
}

fn decode_jpeg(bytes: &[u8], Size { width, height }: Size) -> Option<()> {
    let (width, height) = (width as usize, height as usize);
    let pixels = &mut vec![0; width * 3 * height][..];
    let image = turbojpeg::Image { pixels, width, pitch: width * 3, height, format: turbojpeg::PixelFormat::RGB };
    let mut decompressor = turbojpeg::Decompressor::new().ok()?;
    decompressor.set_scan_limit(MAX_SCANS).ok()?;
    decompressor.decompress(bytes, image).ok()
}

fn unseen(what: &str, data: &str) -> String {
    format!("[{what} of {} that cannot be shown]", size(data))
}

fn size(data: &str) -> String {
    format!("{} kB", (data.len() / 4 * 3).div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;

    fn read(result: CallToolResult) -> Outcome {
        super::read(result, &Masks::default())
    }

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

    fn photograph(width: usize) -> Vec<u8> {
        let pixels = &vec![0; width * 12][..];
        let format = turbojpeg::PixelFormat::RGB;
        let image = turbojpeg::Image { pixels, width, pitch: width * 3, height: 4, format };
        turbojpeg::compress(image, 80, turbojpeg::Subsamp::Sub2x2).unwrap().to_vec()
    }

    #[test]
    fn a_photograph_is_shown_unless_it_is_too_large() {
        let outcome = read(result(json!([image(&photograph(4)), image(&photograph(2001))])));

        assert!(matches!(&outcome.parts[0], Part::Picture(_, Format::Jpeg { .. })), "{}", outcome.words());
        assert_eq!(outcome.words().matches("that cannot be shown").count(), 1, "{}", outcome.words());
    }

    /// A grey picture of one block in so many scans, each of which holds one coefficient, and is as it should be.
    fn progressive(scans: u8) -> Vec<u8> {
        let table = |class: u8| [&[0xff, 0xc4, 0, 20, class, 1][..], &[0; 15], &[0]].concat();
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
        bytes.extend([1; 64]);
        bytes.extend([0xff, 0xc2, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
        bytes.extend([table(0), table(0x10)].concat());
        for coefficient in 0..scans {
            bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, coefficient, coefficient, 0, 0x7f]);
        }
        bytes.extend([0xff, 0xd9]);
        bytes
    }

    #[test]
    fn a_picture_of_many_scans_is_not_decoded_to_its_end() {
        let outcome = read(result(json!([image(&progressive(12)), image(&progressive(60))])));

        assert!(matches!(&outcome.parts[0], Part::Picture(_, Format::Jpeg { .. })), "{}", outcome.words());
        assert_eq!(outcome.words().matches("that cannot be shown").count(), 1, "{}", outcome.words());
    }

    #[test]
    fn a_secret_at_the_cut_is_masked_before_it() {
        let masks = Masks::default();
        masks.remember("KEY", &Zeroizing::new("hunter2-and-more".to_owned()));
        let text = |before: usize| format!("{}hunter2-and-more", "x".repeat(before));
        let link = |before| json!({"type": "resource_link", "uri": text(before), "name": "c"});

        let long = super::read(result(json!([{"type": "text", "text": text(MAX_TEXT - 5)}])), &masks);
        let linked = super::read(result(json!([link(495)])), &masks);

        for outcome in [long, linked] {
            let words = outcome.words();
            assert!(words.contains("x{{sec") && !words.contains("hunt"), "{}", &words[words.len() - 80..]);
        }
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
