//! What a viewer has not been sent yet, tile by tile, and what it was sent with losses.

use std::time::{Duration, Instant};

use super::{Area, Move};

/// Side of a tile in pixels: what changes is found tile by tile.
pub const TILE: u16 = 64;
/// More copies than this before an update goes out are not worth their bookkeeping: all is drawn anew.
const MAX_MOVES: usize = 4;
/// What was sent with losses is sent again exactly once it has stood still for so long.
const STILL: Duration = Duration::from_millis(300);
/// So many tiles at once: a viewer that refines is not to wait long for what changes meanwhile.
const REFINED_AT_ONCE: usize = 40;

/// A part of one tile that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Change {
    /// Which tile, counted from the top left one.
    pub column: u16,
    pub row: u16,
    pub area: Area,
}

impl Change {
    /// Of a part that lies inside one tile.
    fn of(area: Area) -> Self {
        Self { column: area.x / TILE, row: area.y / TILE, area }
    }
}

/// What an update consists of: first the copies in their order, then what is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    pub copies: Vec<Move>,
    pub changes: Vec<Change>,
    /// Nothing here may be sent with losses.
    pub exact: bool,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty() && self.changes.is_empty()
    }
}

/// One viewer's account. Only areas are kept, never pixels: those of the newest frame are what it gets.
pub struct Ledger {
    width: u16,
    height: u16,
    /// What is to be sent to a viewer that cannot copy.
    drawn: Tiles,
    /// What is left to be sent after the copies.
    after_copies: Tiles,
    copies: Vec<Move>,
    /// Sent with losses and not exactly since; each tile's last of it at that time.
    lossy: Tiles,
    lossy_at: Vec<Option<Instant>>,
}

/// The part of every tile that something is true for; empty where there is none.
#[derive(Clone)]
struct Tiles {
    areas: Vec<Area>,
    count: usize,
}

impl Ledger {
    /// Of a viewer that has seen nothing.
    pub fn new(width: u16, height: u16) -> Self {
        let tiles = usize::from(width.div_ceil(TILE)) * usize::from(height.div_ceil(TILE));
        let none = Tiles { areas: vec![Area::whole(0, 0); tiles], count: 0 };
        let mut ledger = Self {
            width,
            height,
            drawn: none.clone(),
            after_copies: none.clone(),
            copies: Vec::new(),
            lossy: none,
            lossy_at: vec![None; tiles],
        };
        ledger.changed(ledger.whole());
        ledger
    }

    pub fn whole(&self) -> Area {
        Area::whole(self.width, self.height)
    }

    /// Something else is to be seen there.
    pub fn changed(&mut self, area: Area) {
        for part in self.parts(area) {
            let index = self.index(part);
            self.drawn.add(index, part);
            self.after_copies.add(index, part);
        }
    }

    /// `moved` is to be seen at its new place, and `rest` drawn after that; without the copy it is `all` that changed.
    pub fn moved(&mut self, moved: Move, rest: impl IntoIterator<Item = Area>, all: impl IntoIterator<Item = Area>) {
        // What the viewer would copy is not what it was sent last: that goes along to the new place.
        let outdated: Vec<Area> = self.after_copies.within(moved.source()).map(|area| moved.shift(area)).collect();
        self.copies.push(moved);
        for part in outdated.into_iter().chain(rest).flat_map(|area| self.parts(area)).collect::<Vec<_>>() {
            self.after_copies.add(self.index(part), part);
        }
        for part in all.into_iter().flat_map(|area| self.parts(area)).collect::<Vec<_>>() {
            self.drawn.add(self.index(part), part);
        }
        if self.copies.len() > MAX_MOVES {
            self.forget_copies();
        }
    }

    /// Might there be something to send inside `within`?
    pub fn may_differ(&self, within: Area) -> bool {
        self.drawn.count > 0 && (within == self.whole() || self.drawn.within(within).next().is_some())
    }

    /// What brings the viewer up to date inside `within`, which from now on counts as sent.
    pub fn take(&mut self, within: Area, can_copy: bool) -> Plan {
        let within = within.intersect(self.whole());
        let everything = within == self.whole();
        if !can_copy || !everything {
            self.forget_copies();
        }
        let copies = std::mem::take(&mut self.copies);
        if everything {
            self.drawn.clear();
            copies.iter().for_each(|copy| self.lossy_moved(*copy));
            let changes = self.after_copies.changes();
            self.after_copies.clear();
            return Plan { copies, changes, exact: false };
        }
        let mut changes = Vec::new();
        for mut change in self.drawn.changes() {
            let visible = change.area.intersect(within);
            if visible.is_empty() {
                continue;
            }
            // What the viewer did not ask for still has to be sent one day; then all of the part is.
            if visible == change.area {
                let index = self.index(change.area);
                self.drawn.remove(index);
                self.after_copies.remove(index);
            }
            change.area = visible;
            changes.push(change);
        }
        Plan { copies, changes, exact: false }
    }

    /// The plan was sent, `lossy` of it with losses.
    pub fn sent(&mut self, plan: &Plan, lossy: &[Area], now: Instant) {
        for change in &plan.changes {
            let index = self.index(change.area);
            if change.area.holds(self.lossy.areas[index]) {
                self.lossy.remove(index);
            }
        }
        for part in lossy.iter().flat_map(|area| self.parts(*area)).collect::<Vec<_>>() {
            let index = self.index(part);
            self.lossy.add(index, part);
            self.lossy_at[index] = Some(now);
        }
    }

    /// When something that was sent with losses will have stood still for long enough.
    pub fn refinement_due(&self) -> Option<Instant> {
        self.lossy.indices().filter_map(|index| self.lossy_at[index]).min().map(|at| at + STILL)
    }

    /// Some of what was sent with losses and stood still since, to be sent exactly.
    pub fn refine(&self, now: Instant) -> Plan {
        let still = |index: &usize| self.lossy_at[*index].is_none_or(|at| at + STILL <= now);
        let areas = self.lossy.indices().filter(still).map(|index| self.lossy.areas[index]);
        Plan { copies: Vec::new(), changes: areas.take(REFINED_AT_ONCE).map(Change::of).collect(), exact: true }
    }

    fn lossy_moved(&mut self, copy: Move) {
        let shifted: Vec<Area> = self.lossy.within(copy.source()).map(|area| copy.shift(area)).collect();
        let latest = self.lossy_at.iter().flatten().max().copied();
        for part in shifted.into_iter().flat_map(|area| self.parts(area)).collect::<Vec<_>>() {
            let index = self.index(part);
            self.lossy.add(index, part);
            self.lossy_at[index] = latest;
        }
    }

    /// All is drawn anew instead.
    fn forget_copies(&mut self) {
        if !self.copies.is_empty() {
            self.copies.clear();
            self.after_copies = self.drawn.clone();
        }
    }

    fn columns(&self) -> u16 {
        self.width.div_ceil(TILE)
    }

    /// The tile of a part that lies inside one.
    fn index(&self, part: Area) -> usize {
        usize::from(part.y / TILE) * usize::from(self.columns()) + usize::from(part.x / TILE)
    }

    /// The parts of `area`, tile by tile.
    fn parts(&self, area: Area) -> impl Iterator<Item = Area> + use<> {
        let area = area.intersect(self.whole());
        let last = |end: u32| end.div_ceil(u32::from(TILE)) as u16;
        let (across, down) = if area.is_empty() {
            (0..0, 0..0)
        } else {
            (area.x / TILE..last(area.right()), area.y / TILE..last(area.bottom()))
        };
        let tile = |column, row| Area { x: column * TILE, y: row * TILE, width: TILE, height: TILE };
        down.flat_map(move |row| across.clone().map(move |column| tile(column, row).intersect(area)))
    }
}

impl Tiles {
    fn add(&mut self, index: usize, part: Area) {
        let area = &mut self.areas[index];
        if area.is_empty() {
            *area = part;
            self.count += 1;
        } else {
            *area = area.union(part);
        }
    }

    fn remove(&mut self, index: usize) {
        if !std::mem::replace(&mut self.areas[index], Area::whole(0, 0)).is_empty() {
            self.count -= 1;
        }
    }

    fn clear(&mut self) {
        self.areas.fill(Area::whole(0, 0));
        self.count = 0;
    }

    fn within(&self, within: Area) -> impl Iterator<Item = Area> {
        let found = (self.count > 0).then(|| self.areas.iter().map(move |area| area.intersect(within)));
        found.into_iter().flatten().filter(|area| !area.is_empty())
    }

    fn indices(&self) -> impl Iterator<Item = usize> {
        let found = (self.count > 0).then(|| (0..self.areas.len()).filter(|index| !self.areas[*index].is_empty()));
        found.into_iter().flatten()
    }

    fn changes(&self) -> Vec<Change> {
        self.indices().map(|index| Change::of(self.areas[index])).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WIDTH: u16 = 200;
    const HEIGHT: u16 = 150;

    fn area(x: u16, y: u16, width: u16, height: u16) -> Area {
        Area { x, y, width, height }
    }

    fn up_to_date() -> Ledger {
        let mut ledger = Ledger::new(WIDTH, HEIGHT);
        ledger.take(ledger.whole(), true);
        ledger
    }

    fn areas(plan: &Plan) -> Vec<Area> {
        plan.changes.iter().map(|change| change.area).collect()
    }

    #[test]
    fn a_new_viewer_gets_every_pixel_once() {
        let mut ledger = Ledger::new(WIDTH, HEIGHT);

        let first = ledger.take(ledger.whole(), true);

        assert_eq!(areas(&first).iter().map(|area| area.pixels()).sum::<usize>(), 200 * 150);
        assert!(!ledger.may_differ(ledger.whole()));
        assert!(ledger.take(ledger.whole(), true).is_empty());
    }

    #[test]
    fn changes_of_one_tile_gather_until_they_are_sent() {
        let mut ledger = up_to_date();

        ledger.changed(area(70, 10, 2, 2));
        ledger.changed(area(75, 13, 1, 1));

        assert_eq!(areas(&ledger.take(ledger.whole(), true)), [area(70, 10, 6, 4)]);
    }

    #[test]
    fn what_lies_outside_the_request_is_kept_for_later() {
        let mut ledger = up_to_date();
        ledger.changed(area(10, 10, 41, 1));
        ledger.changed(area(100, 100, 5, 5));
        let left = area(0, 0, 30, 30);

        let first = ledger.take(left, true);
        let rest = ledger.take(ledger.whole(), true);

        assert_eq!(areas(&first), [area(10, 10, 20, 1)]);
        assert_eq!(areas(&rest), [area(10, 10, 41, 1), area(100, 100, 5, 5)]);
    }

    #[test]
    fn what_was_to_be_sent_goes_along_with_what_is_copied() {
        let mut ledger = up_to_date();
        ledger.changed(area(10, 40, 5, 5));
        let up = Move { to: area(0, 0, 60, 44), from: (0, 20) };
        ledger.moved(up, [area(0, 44, 60, 20)], [area(0, 0, 60, 64)]);

        let plan = ledger.take(ledger.whole(), true);

        assert_eq!(plan.copies, [up]);
        assert_eq!(areas(&plan), [area(0, 20, 60, 44)]);
    }

    #[test]
    fn a_viewer_that_cannot_copy_is_drawn_all() {
        let mut ledger = up_to_date();
        ledger.moved(Move { to: area(0, 0, 60, 44), from: (0, 20) }, [], [area(0, 0, 60, 44)]);

        let plan = ledger.take(ledger.whole(), false);

        assert!(plan.copies.is_empty());
        assert_eq!(areas(&plan), [area(0, 0, 60, 44)]);
        assert!(ledger.take(ledger.whole(), true).is_empty());
    }

    #[test]
    fn losses_are_mended_once_they_stood_still_and_only_once() {
        let (mut ledger, now) = (up_to_date(), Instant::now());
        ledger.changed(area(0, 0, 128, 64));
        let plan = ledger.take(ledger.whole(), true);

        ledger.sent(&plan, &[area(0, 0, 128, 64)], now);

        assert_eq!(ledger.refinement_due(), Some(now + STILL));
        assert!(ledger.refine(now).is_empty());
        let mended = ledger.refine(now + STILL);
        assert!(mended.exact);
        assert_eq!(areas(&mended), [area(0, 0, 64, 64), area(64, 0, 64, 64)]);
        ledger.sent(&mended, &[], now + STILL);
        assert_eq!(ledger.refinement_due(), None);
    }

    #[test]
    fn a_film_at_one_place_does_not_keep_another_from_being_mended() {
        let (mut ledger, now) = (up_to_date(), Instant::now());
        let (picture, film) = (area(0, 0, 64, 64), area(128, 64, 64, 64));
        let plan = Plan::default();
        ledger.sent(&plan, &[picture, film], now);

        ledger.sent(&plan, &[film], now + STILL);

        assert_eq!(areas(&ledger.refine(now + STILL)), [picture]);
    }

    /// Screens of one byte a pixel, drawn on, moved on and shown to a viewer at times of its own.
    #[derive(Debug, Clone)]
    enum Event {
        Draw(Area, u8),
        Scroll(Area, u16),
        Send { copies: bool, within: Option<Area> },
    }

    fn some_area() -> impl Strategy<Value = Area> {
        (0..WIDTH, 0..HEIGHT, 1..WIDTH, 1..HEIGHT)
            .prop_map(|(x, y, width, height)| area(x, y, width, height).intersect(Area::whole(WIDTH, HEIGHT)))
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (some_area(), 1..255u8).prop_map(|(area, colour)| Event::Draw(area, colour)),
            (some_area(), 1..40u16).prop_map(|(area, by)| Event::Scroll(area, by)),
            (any::<bool>(), prop::option::of(some_area())).prop_map(|(copies, within)| Event::Send { copies, within }),
        ]
    }

    fn put(to: &mut [u8], from: &[u8], area: Area) {
        for y in usize::from(area.y)..area.bottom() as usize {
            let row = y * usize::from(WIDTH) + usize::from(area.x);
            to[row..row + usize::from(area.width)].copy_from_slice(&from[row..row + usize::from(area.width)]);
        }
    }

    fn copied(pixels: &[u8], copy: Move) -> Vec<u8> {
        let mut to = pixels.to_vec();
        for y in 0..usize::from(copy.to.height) {
            let at = |x: u16, top: u16| (usize::from(top) + y) * usize::from(WIDTH) + usize::from(x);
            let (from, length) = (at(copy.from.0, copy.from.1), usize::from(copy.to.width));
            to[at(copy.to.x, copy.to.y)..][..length].copy_from_slice(&pixels[from..from + length]);
        }
        to
    }

    proptest! {
        #[test]
        fn a_viewer_that_was_sent_everything_sees_the_screen(events in prop::collection::vec(event(), 1..40)) {
            let mut ledger = Ledger::new(WIDTH, HEIGHT);
            let mut screen = vec![0; usize::from(WIDTH) * usize::from(HEIGHT)];
            let mut viewer = vec![255; screen.len()];
            let all = Event::Send { copies: true, within: None };
            for event in events.into_iter().chain([all]) {
                match event {
                    Event::Draw(area, colour) => {
                        let full = vec![colour; screen.len()];
                        put(&mut screen, &full, area);
                        ledger.changed(area);
                    }
                    Event::Scroll(area, by) if by < area.height => {
                        let to = Area { height: area.height - by, ..area };
                        let copy = Move { to, from: (area.x, area.y + by) };
                        screen = copied(&screen, copy);
                        ledger.moved(copy, [], [to]);
                    }
                    Event::Scroll(..) => {}
                    Event::Send { copies, within } => {
                        let plan = ledger.take(within.unwrap_or(ledger.whole()), copies);
                        for copy in &plan.copies {
                            viewer = copied(&viewer, *copy);
                        }
                        plan.changes.iter().for_each(|change| put(&mut viewer, &screen, change.area));
                    }
                }
            }
            prop_assert!(viewer == screen);
        }
    }
}
