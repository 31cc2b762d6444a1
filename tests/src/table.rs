//! Numbers as a table: median, the span around it, and the target where there is one.

const HEAD: [&str; 7] = ["", "median", "least", "most", "runs", "unit", "target"];

#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 7]>,
}

impl Table {
    pub fn row(&mut self, what: &str, unit: &str, values: &[f64]) {
        self.add(what, unit, values, String::new());
    }

    /// A row whose median is wanted to be at most `limit`.
    pub fn judged(&mut self, what: &str, unit: &str, values: &[f64], limit: f64) {
        let verdict = if part(values, 0.5) <= limit { "PASS" } else { "miss" };
        self.add(what, unit, values, format!("≤ {limit} {verdict}"));
    }

    fn add(&mut self, what: &str, unit: &str, values: &[f64], target: String) {
        let at = |share: f64| shown(part(values, share));
        let runs = values.len().to_string();
        self.rows.push([what.to_owned(), at(0.5), at(0.0), at(1.0), runs, unit.to_owned(), target]);
    }

    #[expect(clippy::print_stdout, reason = "the table is what the program is for")]
    pub fn print(&self) {
        let head = HEAD.map(str::to_owned);
        let widths: Vec<usize> = (0..head.len())
            .map(|column| {
                let cells = std::iter::once(&head).chain(&self.rows).map(|row| row[column].chars().count());
                cells.max().unwrap_or_default()
            })
            .collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let [what, median, least, most, runs, unit, target] = row;
            let [w0, w1, w2, w3, w4, w5, _] = widths[..] else { return };
            let line =
                format!("{what:w0$}  {median:>w1$}  {least:>w2$}  {most:>w3$}  {runs:>w4$}  {unit:w5$}  {target}");
            println!("{}", line.trim_end());
        }
    }
}

/// The value below which this share of the others lies.
fn part(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

fn shown(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.1}"),
        _ => format!("{value:.4}"),
    }
}
