//! Recordings of a desktop's screen.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is to be done with the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingOrder {
    Start,
    Stop,
    /// Nothing of the screen is recorded until it is resumed; the film shows a card.
    Pause,
    Resume,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordingRequest {
    pub order: RecordingOrder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    Off,
    Recording,
    Paused,
}

/// How the recording of a desktop's screen stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordingStatus {
    pub state: RecordingState,
    /// Why it is paused, or why the last one ended by itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The present recording's file, or that of the last one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    pub duration_ms: u64,
    pub bytes: u64,
    /// The files that can be fetched, newest first.
    pub recordings: Vec<RecordingFile>,
}

/// A recording's file: MP4 with H.264.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordingFile {
    pub name: String,
    pub bytes: u64,
}
