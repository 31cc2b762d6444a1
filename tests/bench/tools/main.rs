//! `make bench-tools`: what the agent's tools take, beside scrot where it does the same, and what the sidecar costs.
//!
//! `ONLY` says which parts run: screenshot, settle, typing, sidecar.

mod eyes;
mod hands;
mod sidecar;

use harness::table::Table;

type Part = (&'static str, fn(&mut Table));

const PARTS: [Part; 4] = [
    ("screenshot", eyes::screenshots),
    ("settle", eyes::settled),
    ("typing", hands::typing),
    ("sidecar", sidecar::cost),
];

fn main() {
    harness::display::end_all_on_interrupt();
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut table = Table::default();
    for (name, measure) in PARTS {
        if only.is_empty() || only.split(',').any(|wanted| wanted == name) {
            eprintln!("{name}");
            measure(&mut table);
        }
    }
    table.print();
}
