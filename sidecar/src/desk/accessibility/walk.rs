//! The walk through the tree: breadth first, so that a bound cuts what stands deep and not what stands last.

use std::time::Instant;

use futures_util::stream::{FuturesUnordered, StreamExt};
use protocol::{
    accessibility::{AccessibleNode, TreeBound, TreeBounds},
    action::Rect,
};

use super::{
    bus::{Bus, Reference, Unanswered},
    node::{self, Read},
};

/// Things that are asked at the same time. A program answers one question after another.
const AT_ONCE: usize = 24;

pub(super) struct Walked {
    /// In reading order.
    pub(super) nodes: Vec<AccessibleNode>,
    pub(super) met: Vec<TreeBound>,
    /// Applications that did not answer.
    pub(super) unanswered: u32,
}

/// A thing that was read, and where it stands.
struct Place {
    node: AccessibleNode,
    children: Vec<usize>,
}

/// What is to be read next.
struct Open {
    /// The place of what it is in.
    of: Option<usize>,
    at: Reference,
    /// Where it could be seen: the screen, or the part of it that what scrolls leaves.
    clip: Rect,
}

struct Walk<'a> {
    bus: &'a Bus,
    bounds: TreeBounds,
    deadline: Instant,
    places: Vec<Place>,
    /// Those of names and texts so far.
    bytes: usize,
    met: Vec<TreeBound>,
    /// Programs that were late: what is left of them is not asked.
    late: Vec<String>,
}

pub(super) async fn walk(
    bus: &Bus,
    applications: Vec<Reference>,
    (pid, screen): (Option<u32>, Rect),
    bounds: TreeBounds,
    deadline: Instant,
) -> Walked {
    let mut walk = Walk { bus, bounds, deadline, places: Vec::new(), bytes: 0, met: Vec::new(), late: Vec::new() };
    let mut wanted = Vec::new();
    for application in applications {
        if pid.is_none() || bus.pid(&application.0, deadline).await == pid {
            wanted.push(application);
        }
    }
    let roots = walk.read_all(wanted.into_iter().map(|at| Open { of: None, at, clip: screen }).collect(), 0).await;
    let mut nodes = Vec::with_capacity(walk.places.len());
    let Walk { mut places, mut met, late, .. } = walk;
    let mut open: Vec<usize> = roots.into_iter().rev().collect();
    while let Some(index) = open.pop() {
        open.extend(places[index].children.iter().rev());
        // Taken, since nothing is told twice.
        let node = &mut places[index].node;
        nodes.push(AccessibleNode {
            depth: node.depth,
            role: std::mem::take(&mut node.role),
            name: std::mem::take(&mut node.name),
            text: std::mem::take(&mut node.text),
            states: std::mem::take(&mut node.states),
            bounds: node.bounds,
        });
    }
    // An application that shows nothing says nothing to whoever looks at the screen.
    let shows = |index: &usize| nodes[*index].depth > 0 || nodes.get(index + 1).is_some_and(|next| next.depth > 0);
    let kept: Vec<usize> = (0..nodes.len()).filter(shows).collect();
    let nodes = kept.into_iter().map(|index| nodes[index].clone()).collect();
    met.sort_by_key(|bound| *bound as u8);
    met.dedup();
    Walked { nodes, met, unanswered: late.len() as u32 }
}

impl Walk<'_> {
    /// Reads a level, then the next; answers the places of the first level.
    async fn read_all(&mut self, level: Vec<Open>, depth: u32) -> Vec<usize> {
        let (mut level, mut depth, mut first) = (level, depth, None);
        while !level.is_empty() && self.goes_on(depth) {
            let read = self.read_level(&level, depth).await;
            let mut next = Vec::new();
            let mut placed = Vec::new();
            for (open, mut read) in read {
                if self.places.len() >= self.bounds.nodes as usize {
                    self.met.push(TreeBound::Nodes);
                    break;
                }
                self.bytes += read.node.role.len() + read.node.name.len() + read.node.text.len() + NODE_BYTES;
                if self.bytes > self.bounds.bytes as usize {
                    self.met.push(TreeBound::Bytes);
                    break;
                }
                let index = self.places.len();
                if read.more {
                    self.met.push(TreeBound::Children);
                }
                let clip = match read.node.bounds {
                    Some(bounds) if CLIPS.contains(&read.node.role.as_str()) => bounds,
                    _ => open.clip,
                };
                let children = std::mem::take(&mut read.children).into_iter();
                next.extend(children.map(|at| Open { of: Some(index), at, clip }));
                self.places.push(Place { node: read.node, children: Vec::new() });
                if let Some(of) = open.of {
                    self.places[of].children.push(index);
                }
                placed.push(index);
            }
            first.get_or_insert(placed);
            (level, depth) = (next, depth + 1);
        }
        first.unwrap_or_default()
    }

    /// Whether a level may be read; if not, what is there is not told.
    fn goes_on(&mut self, depth: u32) -> bool {
        let met = if depth > self.bounds.depth {
            TreeBound::Depth
        } else if self.places.len() >= self.bounds.nodes as usize {
            TreeBound::Nodes
        } else if self.bytes >= self.bounds.bytes as usize {
            TreeBound::Bytes
        } else if Instant::now() >= self.deadline {
            TreeBound::Time
        } else {
            return true;
        };
        self.met.push(met);
        false
    }

    /// What can be seen of a level, in its order.
    async fn read_level<'l>(&mut self, level: &'l [Open], depth: u32) -> Vec<(&'l Open, Read)> {
        let room = (self.bounds.nodes as usize).saturating_sub(self.places.len());
        let mut waiting = level.iter().enumerate();
        let mut asked = FuturesUnordered::new();
        let mut read: Vec<(usize, Read)> = Vec::new();
        loop {
            while asked.len() < AT_ONCE
                && read.len() <= room
                && let Some((index, Open { at, .. })) = waiting.next()
            {
                if self.late.contains(&at.0) {
                    continue;
                }
                let (bus, deadline) = (self.bus, self.deadline);
                asked.push(async move { (index, at, node::read(bus, at, depth, deadline).await) });
            }
            let Some((index, at, answered)) = asked.next().await else { break };
            match answered {
                Ok(mut answered) if answered.showing => {
                    if let Some(bounds) = answered.node.bounds.take() {
                        answered.node.bounds = seen(bounds, level[index].clip);
                        // Scrolled away; an application itself has no place.
                        if answered.node.bounds.is_none() && depth > 0 {
                            continue;
                        }
                    }
                    read.push((index, answered));
                }
                Ok(_) | Err(Unanswered::No) => {}
                Err(Unanswered::Late) if Instant::now() >= self.deadline => self.met.push(TreeBound::Time),
                Err(Unanswered::Late) if !self.late.contains(&at.0) => self.late.push(at.0.clone()),
                Err(Unanswered::Late) => {}
            }
        }
        read.sort_by_key(|(index, _)| *index);
        read.into_iter().map(|(index, read)| (&level[index], read)).collect()
    }
}

/// Roles that show only what is within their own bounds.
const CLIPS: &[&str] = &[
    "frame",
    "window",
    "dialog",
    "alert",
    "scroll pane",
    "viewport",
    "document web",
    "internal frame",
    "table",
    "tree table",
];

/// The part within `clip`; programs tell nonsense for what is scrolled away.
fn seen(r: Rect, clip: Rect) -> Option<Rect> {
    let cut = |at: i32, length: u32, from: i32, room: u32| {
        let end = (i64::from(at) + i64::from(length)).min(i64::from(from) + i64::from(room));
        let start = at.max(from);
        (i64::from(start) < end).then(|| (start, (end - i64::from(start)) as u32))
    };
    let ((x, width), (y, height)) = (cut(r.x, r.width, clip.x, clip.width)?, cut(r.y, r.height, clip.y, clip.height)?);
    Some(Rect { x, y, width, height })
}

/// What a node takes as JSON beside its words: keys, states, numbers.
const NODE_BYTES: usize = 140;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_cut_to_what_can_be_seen_whatever_a_program_says() {
        let rect = |x, y, width, height| Rect { x, y, width, height };
        let screen = rect(0, 0, 1280, 800);

        assert_eq!(seen(rect(-5, 3, 10, 4), screen), Some(rect(0, 3, 5, 4)));
        assert_eq!(seen(rect(i32::MIN, i32::MIN, 0, 0), screen), None);
        assert_eq!(seen(rect(i32::MAX, 0, u32::MAX, 1), screen), None);
        assert_eq!(seen(rect(0, 0, u32::MAX, u32::MAX), screen), Some(screen));
        assert_eq!(seen(rect(0, 700, 50, 20), rect(0, 100, 500, 500)), None);
    }
}
