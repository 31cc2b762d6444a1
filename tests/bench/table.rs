//! Numbers as a table: median, and the span around it.

#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 6]>,
}

impl Table {
    pub(crate) fn row(&mut self, what: &str, unit: &str, values: &[f64]) {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| shown(sorted[((sorted.len() - 1) as f64 * part).round() as usize]);
        let row = [what.to_owned(), at(0.5), at(0.0), at(1.0), values.len().to_string(), unit.to_owned()];
        self.rows.push(row);
    }

    #[expect(clippy::print_stdout, reason = "the table is what the program is for")]
    pub(crate) fn print(&self) {
        let head = ["", "median", "least", "most", "runs", "unit"].map(str::to_owned);
        let widths: Vec<usize> = (0..head.len())
            .map(|column| {
                let cells = std::iter::once(&head).chain(&self.rows).map(|row| row[column].chars().count());
                cells.max().unwrap_or_default()
            })
            .collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let [what, median, least, most, runs, unit] = row;
            let [w0, w1, w2, w3, w4, _] = widths[..] else { return };
            println!("{what:w0$}  {median:>w1$}  {least:>w2$}  {most:>w3$}  {runs:>w4$}  {unit}");
        }
    }
}

fn shown(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}
