//! What the programs on a desktop tell assistive technology: roles, names and states of what they show.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::action::Rect;

/// One thing that is shown, such as a button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessibleNode {
    /// How deep it stands below an application, which is at 0: what follows one deeper is inside of it.
    pub depth: u32,
    pub role: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What stands in it, where text can stand; never a password.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Those that are worth knowing, such as `focused`, `checked` or `disabled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<String>,
    /// Where it is, in the caller's picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Rect>,
}

/// How much of the tree is wanted; each has its own upper bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TreeBounds {
    /// 1 to 60; 40 unless told.
    pub depth: u32,
    /// 1 to 5,000; 800 unless told.
    pub nodes: u32,
    /// 1 to 10,000; 3,000 unless told.
    pub ms: u64,
    /// Of the names and texts as JSON, 1,000 to 1,000,000; 200,000 unless told.
    pub bytes: u32,
}

impl TreeBounds {
    pub const USUAL: TreeBounds = TreeBounds { depth: 40, nodes: 800, ms: 3_000, bytes: 200_000 };
    pub const MOST: TreeBounds = TreeBounds { depth: 60, nodes: 5_000, ms: 10_000, bytes: 1_000_000 };
    pub const LEAST: TreeBounds = TreeBounds { depth: 1, nodes: 1, ms: 1, bytes: 1_000 };

    pub fn are_allowed(self) -> bool {
        let TreeBounds { depth, nodes, ms, bytes } = self;
        let (least, most) = (Self::LEAST, Self::MOST);
        (least.depth..=most.depth).contains(&depth)
            && (least.nodes..=most.nodes).contains(&nodes)
            && (least.ms..=most.ms).contains(&ms)
            && (least.bytes..=most.bytes).contains(&bytes)
    }
}

/// A bound that a tree ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TreeBound {
    Depth,
    Nodes,
    Time,
    Bytes,
    /// Something has more children than are read.
    Children,
}

/// What is shown, in reading order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessibilityTree {
    pub nodes: Vec<AccessibleNode>,
    /// Is there more than is told here?
    pub truncated: bool,
    /// The bounds that it ran into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds_met: Vec<TreeBound>,
    /// How many applications did not answer, or broke off.
    pub unanswered: u32,
    pub took_ms: u64,
}
