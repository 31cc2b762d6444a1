//! What the encoders write, a viewer reads back: exactly, or as a JPEG within a bound.

use bytes::BytesMut;
use proptest::prelude::*;
use sidecar::desk::rfb::{Area, Picture, PixelFormat, Wishes, encoding::Encoder, ledger::Ledger, server::Update};

use crate::decoder::{self, Canvas, Format, Place, Tight, Wire, Zrle};

const RAW: i32 = 0;
const TIGHT: i32 = 7;
const ZRLE: i32 = 16;
const QUALITY_6: i32 = -26;

const FORMATS: [Format; 5] = [Format::Bgrx, Format::Rgb565, Format::Bgr233, Format::BigXrgb, Format::BigRgb565];

/// A screen and what a viewer makes of the updates about it.
struct Scene {
    width: u16,
    height: u16,
    pixels: Vec<u8>,
    ledger: Ledger,
    encoder: Encoder,
    format: Format,
    wishes: Wishes,
    canvas: Canvas,
    tight: Tight,
    zrle: Zrle,
}

impl Scene {
    fn new(width: u16, height: u16, format: Format, encodings: &[i32]) -> Self {
        Self {
            width,
            height,
            pixels: vec![0; usize::from(width) * usize::from(height) * 4],
            ledger: Ledger::new(width, height),
            encoder: Encoder::new(),
            format,
            wishes: Wishes::read(encodings.iter().copied()),
            canvas: Canvas::new(width.into(), height.into()),
            tight: Tight::default(),
            zrle: Zrle::default(),
        }
    }

    fn paint(&mut self, area: Area, mut colour: impl FnMut(u16, u16) -> u32) {
        let area = area.intersect(Area::whole(self.width, self.height));
        for y in area.y..area.y + area.height {
            for x in area.x..area.x + area.width {
                let at = (usize::from(y) * usize::from(self.width) + usize::from(x)) * 4;
                self.pixels[at..at + 4].copy_from_slice(&colour(x, y).to_le_bytes());
            }
        }
        self.ledger.changed(area);
    }

    /// Sends what changed; answers the number of bytes.
    fn update(&mut self) -> usize {
        let mut out = BytesMut::new();
        let mut update = Update::begin(&mut out);
        let picture = Picture::new(&self.pixels, self.width, self.height).unwrap();
        let changes = self.ledger.take(self.ledger.whole(), false).changes;
        let format = PixelFormat::parse(self.format.wire()).unwrap();
        self.encoder.encode(&mut update, picture, &changes, &format, &self.wishes);
        update.end();
        if !out.is_empty() {
            self.decode(&out);
        }
        out.len()
    }

    /// Sends what changed by rectangles that another encoder made for everybody.
    fn share(&mut self, press: &mut Encoder) {
        let mut out = BytesMut::new();
        let mut update = Update::begin(&mut out);
        let picture = Picture::new(&self.pixels, self.width, self.height).unwrap();
        let changes = self.ledger.take(self.ledger.whole(), false).changes;
        let format = PixelFormat::parse(self.format.wire()).unwrap();
        let shared = press.encode_detached(picture, &changes, &format, &self.wishes).unwrap();
        update.append(shared.rectangles, &shared.bytes);
        update.end();
        if !out.is_empty() {
            self.decode(&out);
        }
    }

    fn decode(&mut self, bytes: &[u8]) {
        let mut wire = Wire(bytes);
        assert_eq!(wire.take(2), Some(&[0, 0][..]));
        for _ in 0..wire.u16().unwrap() {
            let mut side = || usize::from(wire.u16().unwrap());
            let place: Place = (side(), side(), side(), side());
            match wire.i32().unwrap() {
                RAW => decoder::raw(&mut wire, place, self.format, &mut self.canvas),
                TIGHT => self.tight.decode(&mut wire, place, self.format, &mut self.canvas),
                ZRLE => self.zrle.decode(&mut wire, place, self.format, &mut self.canvas),
                other => panic!("encoding {other}"),
            }
            .expect("a whole rectangle");
        }
        assert!(wire.0.is_empty(), "bytes behind the update");
    }

    fn expected(&self) -> Vec<u32> {
        let colour = |p: &[u8]| u32::from_le_bytes(p.try_into().unwrap());
        self.pixels.chunks(4).map(|pixel| self.format.expected(colour(pixel))).collect()
    }

    #[track_caller]
    fn assert_same(&self) {
        let expected = self.expected();
        let wrong = self.canvas.pixels.iter().zip(&expected).position(|(shown, real)| shown != real);
        if let Some(at) = wrong {
            let (x, y) = (at % usize::from(self.width), at / usize::from(self.width));
            panic!("at {x},{y}: {:06x} is shown, {:06x} is there", self.canvas.pixels[at], expected[at]);
        }
    }
}

/// One thing that is drawn: where, in how many colours, and which.
#[derive(Debug, Clone)]
struct Stroke {
    area: (u16, u16, u16, u16),
    colours: u32,
    seed: u32,
}

fn strokes() -> impl Strategy<Value = Vec<Stroke>> {
    let colours = prop::sample::select(vec![1_u32, 1, 2, 2, 3, 5, 16, 17, 90, 120, 256, 300, 5000]);
    let stroke = ((0_u16..290, 0_u16..190, 1_u16..300, 1_u16..200), colours, any::<u32>())
        .prop_map(|(area, colours, seed)| Stroke { area, colours, seed });
    prop::collection::vec(stroke, 1..6)
}

fn hash(mut v: u32) -> u32 {
    v = (v ^ v >> 16).wrapping_mul(0x7feb_352d);
    v = (v ^ v >> 15).wrapping_mul(0x846c_a68b);
    v ^ v >> 16
}

fn draw(scene: &mut Scene, stroke: &Stroke) {
    let (x, y, width, height) = stroke.area;
    scene.paint(Area { x, y, width, height }, |x, y| {
        let which = hash(u32::from(x) << 16 | u32::from(y)) % stroke.colours;
        hash(stroke.seed.wrapping_add(which))
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn without_a_quality_every_encoding_is_exact_in_every_format(
        strokes in strokes(),
        encoding in prop::sample::select(vec![RAW, TIGHT, ZRLE]),
        format in 0_usize..5,
        compression in -256_i32..=-247,
    ) {
        let format = FORMATS[format];
        let mut scene = Scene::new(300, 200, format, &[encoding, compression]);
        scene.update();
        scene.assert_same();
        for stroke in &strokes {
            draw(&mut scene, stroke);
            scene.update();
            scene.assert_same();
        }
        prop_assert_eq!(scene.update(), 0);
    }

    #[test]
    fn a_viewer_reads_its_own_and_shared_rectangles_in_any_order(
        strokes in prop::collection::vec((any::<bool>(), strokes()), 1..12),
        encoding in prop::sample::select(vec![RAW, TIGHT]),
        format in 0_usize..5,
    ) {
        let (mut scene, mut press) = (Scene::new(300, 200, FORMATS[format], &[encoding]), Encoder::new());
        for (is_shared, strokes) in &strokes {
            strokes.iter().for_each(|stroke| draw(&mut scene, stroke));
            if *is_shared {
                scene.share(&mut press);
            } else {
                scene.update();
            }
            scene.assert_same();
        }
    }
}

#[test]
fn one_stream_cannot_be_shared() {
    let wishes = Wishes::read([ZRLE]);
    let picture = Picture::new(&[0; 4], 1, 1).unwrap();

    assert!(Encoder::new().encode_detached(picture, &[], &PixelFormat::OURS, &wishes).is_none());
}

#[test]
fn a_desktop_with_few_colours_is_exact_even_where_losses_are_allowed() {
    let mut scene = Scene::new(640, 480, Format::Bgrx, &[TIGHT, QUALITY_6]);
    scene.paint(Area::whole(640, 480), |x, y| if x > 300 && y % 16 < 3 { 0xff_ffff } else { 0x20_3040 });
    scene.paint(Area { x: 10, y: 10, width: 200, height: 100 }, |x, y| 0x01_0203 * u32::from((x + y) % 40));

    scene.update();

    scene.assert_same();
    let [fills, jpegs, _, palettes] = scene.tight.forms;
    assert!(fills > 0 && palettes > 0 && jpegs == 0, "{:?}", scene.tight.forms);
}

#[test]
fn a_photograph_is_sent_as_jpeg_and_looks_like_itself() {
    let mut scene = Scene::new(320, 240, Format::Bgrx, &[TIGHT, QUALITY_6]);
    scene.paint(Area::whole(320, 240), |x, y| {
        let wave = |f: f32| ((f.sin() + 1.0) * 110.0) as u32;
        let (x, y) = (f32::from(x) / 40.0, f32::from(y) / 30.0);
        wave(x) << 16 | wave(y) << 8 | wave(x + y)
    });

    let bytes = scene.update();

    assert!(scene.tight.forms[1] > 0, "{:?}", scene.tight.forms);
    assert!(bytes < 320 * 240 / 2, "{bytes} bytes");
    let error = |a: u32, b: u32| [16, 8, 0].map(|s| (a >> s & 255).abs_diff(b >> s & 255)).into_iter().max();
    let errors: Vec<u32> =
        scene.canvas.pixels.iter().zip(scene.expected()).filter_map(|(shown, real)| error(*shown, real)).collect();
    let mean = f64::from(errors.iter().sum::<u32>()) / errors.len() as f64;
    assert!(mean < 4.0, "mean error {mean}");
    assert!(errors.iter().all(|e| *e < 40), "largest error {:?}", errors.iter().max());
}

#[test]
fn a_letter_costs_few_bytes() {
    let mut scene = Scene::new(1280, 800, Format::Bgrx, &[TIGHT, QUALITY_6]);
    scene.update();
    scene.paint(Area { x: 500, y: 300, width: 8, height: 14 }, |x, y| hash(u32::from(x) * u32::from(y)) | 0x80_0000);

    let bytes = scene.update();

    scene.assert_same();
    assert!(bytes < 500, "{bytes} bytes");
}

#[test]
fn another_compression_level_begins_the_streams_anew() {
    let mut scene = Scene::new(300, 200, Format::Bgrx, &[TIGHT, -255]);
    let stroke = |seed| Stroke { area: (0, 0, 300, 200), colours: 3, seed };
    draw(&mut scene, &stroke(1));
    scene.update();

    scene.wishes = Wishes::read([TIGHT, -250]);
    draw(&mut scene, &stroke(2));
    scene.update();

    scene.assert_same();
}

/// The decoder itself is held against encoders that others wrote.
#[test]
fn the_decoder_reads_what_another_implementation_writes() {
    let (width, height) = (150_u16, 100_u16);
    let colour = |x: u16, y: u16| if x < 70 { hash(u32::from(x / 9 + y / 7)) } else { u32::from(x) * 0x01_0101 };
    let colours = || (0..height).flat_map(|y| (0..width).map(move |x| colour(x, y) & 0x00ff_ffff));
    let place = (0, 0, usize::from(width), usize::from(height));
    let theirs = rfb_encodings::PixelFormat { red_shift: 16, blue_shift: 0, ..rfb_encodings::PixelFormat::rgba32() };

    let bgrx: Vec<u8> = colours().flat_map(u32::to_le_bytes).collect();
    let mut zlib = flate2::Compress::new(flate2::Compression::fast(), true);
    let zrle = rfb_encodings::zrle::encode_zrle_persistent(&bgrx, width, height, &theirs, &mut zlib).unwrap();
    let mut canvas = Canvas::new(place.2, place.3);
    Zrle::default().decode(&mut Wire(&zrle), place, Format::Bgrx, &mut canvas).unwrap();
    assert!(canvas.pixels.iter().copied().eq(colours()), "ZRLE");

    let rgba: Vec<u8> = colours().flat_map(|c| [(c >> 16) as u8, (c >> 8) as u8, c as u8, 255]).collect();
    let mut streams = rfb_encodings::tight::SimpleTightCompressor::new(1);
    let rects = rfb_encodings::tight::encode_tight_rects(&rgba, width, height, 10, 1, &theirs, &mut streams);
    let (mut canvas, mut tight) = (Canvas::new(place.2, place.3), Tight::default());
    for (x, y, width, height, bytes) in rects {
        let place = (x.into(), y.into(), width.into(), height.into());
        tight.decode(&mut Wire(&bytes), place, Format::Bgrx, &mut canvas).unwrap();
    }
    assert!(canvas.pixels.iter().copied().eq(colours()), "Tight");
}
