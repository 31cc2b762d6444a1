//! H.264 by OpenH264, as MP4 wants it: lengths before the units, parameter sets apart.

use openh264::{
    OpenH264API, Timestamp,
    encoder::{
        BitRate, Complexity, EncoderConfig, FrameRate, FrameType, QpRange, RateControlMode, UsageType, VuiConfig,
    },
};

use super::canvas::Canvas;

/// Text stays sharp at the lower bound, a film becomes coarse before it goes over the upper.
const QUANTISERS: QpRange = QpRange::new(22, 34);
/// What the rate control aims at; a screen with text and windows needs a hundredth.
const BITS_PER_SECOND: u32 = 2_000_000;
const FRAMES_PER_SECOND: f32 = 10.0;
const SEQUENCE_PARAMETERS: u8 = 7;
const PICTURE_PARAMETERS: u8 = 8;

pub(super) struct Coder {
    encoder: openh264::encoder::Encoder,
}

/// A coded picture.
#[derive(Default)]
pub(super) struct Coded {
    pub(super) key: bool,
    pub(super) data: Vec<u8>,
    pub(super) sps: Vec<u8>,
    pub(super) pps: Vec<u8>,
}

impl Coder {
    pub(super) fn new() -> Result<Self, openh264::Error> {
        let config = EncoderConfig::new()
            .usage_type(UsageType::ScreenContentRealTime)
            .complexity(Complexity::Low)
            .rate_control_mode(RateControlMode::Quality)
            .qp(QUANTISERS)
            .bitrate(BitRate::from_bps(BITS_PER_SECOND))
            .max_frame_rate(FrameRate::from_hz(FRAMES_PER_SECOND))
            .skip_frames(false)
            .num_threads(1)
            .vui(VuiConfig::bt709());
        let encoder = openh264::encoder::Encoder::with_api_config(OpenH264API::from_source(), config)?;
        Ok(Self { encoder })
    }

    /// `None` when the encoder left the picture out.
    pub(super) fn code(&mut self, canvas: &Canvas, key: bool, at: u64) -> Result<Option<Coded>, openh264::Error> {
        if key {
            self.encoder.force_intra_frame();
        }
        let stream = self.encoder.encode_at(canvas, Timestamp::from_millis(at))?;
        let mut coded = Coded { key: stream.frame_type() == FrameType::IDR, ..Coded::default() };
        for layer in (0..stream.num_layers()).filter_map(|i| stream.layer(i)) {
            for unit in (0..layer.nal_count()).filter_map(|i| layer.nal_unit(i)) {
                let Some(unit) = without_start_code(unit) else { continue };
                match unit[0] & 0x1f {
                    SEQUENCE_PARAMETERS => coded.sps = unit.to_vec(),
                    PICTURE_PARAMETERS => coded.pps = unit.to_vec(),
                    _ => {
                        coded.data.extend_from_slice(&(unit.len() as u32).to_be_bytes());
                        coded.data.extend_from_slice(unit);
                    }
                }
            }
        }
        Ok((!coded.data.is_empty()).then_some(coded))
    }
}

fn without_start_code(unit: &[u8]) -> Option<&[u8]> {
    let zeros = unit.iter().position(|byte| *byte != 0)?;
    unit.get(zeros + 1..).filter(|rest| !rest.is_empty() && unit[zeros] == 1)
}
