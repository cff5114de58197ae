//! Tasks as a table for a terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Width};

use crate::domain::text::printable;
use crate::status::{Concern, Task, about, span};

use super::Terminal;

/// Narrower than this no table is readable: it is cut by the terminal instead.
const NARROWEST: u16 = 40;

/// The tasks, one a line if they fit, with a line at the end that counts them.
pub(super) fn table(tasks: &[Task<'_>], terminal: Terminal) -> String {
    let noun = if tasks.len() == 1 { "task" } else { "tasks" };
    let count = format!("{} {noun}\n", tasks.len());
    if tasks.is_empty() {
        return count;
    }
    let mut table = comfy_table::Table::new();
    table.load_style(NOTHING);
    match terminal.width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width.max(NARROWEST));
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    if terminal.colours {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let names = ["STATUS", "INSTANCE", "ID", "TYPE", "LAG", "DESCRIPTION"];
    table.set_header(names.map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
    for task in tasks {
        table.add_row(row(task));
    }
    // Numbers and statuses stay in one piece as long as there is room.
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(10)));
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    format!("{}{count}", lines.collect::<String>())
}

fn row(task: &Task<'_>) -> Vec<Cell> {
    let status = Cell::new(printable(task.status));
    let status = match colour(task) {
        Some(colour) => status.fg(colour),
        None => status,
    };
    let lag = task.task_incremental_lag_seconds.map(|lag| span(lag.into())).unwrap_or_default();
    let lag = match task.catch_up_seconds {
        Some(seconds) => format!("{lag} (gone in about {})", about(seconds)),
        None => lag,
    };
    let lag = Cell::new(lag);
    let lag = if task.concern == Concern::Lagging { lag.fg(Color::Yellow) } else { lag };
    let instance = match task.name {
        "" => printable(task.db_instance_id),
        name => format!("{} ({})", printable(name), printable(task.db_instance_id)),
    };
    vec![
        status,
        Cell::new(instance),
        Cell::new(task.import_id),
        Cell::new(printable(task.kind)),
        lag,
        Cell::new(printable(task.status_description.unwrap_or_default())),
    ]
}

fn colour(task: &Task<'_>) -> Option<Color> {
    match (task.concern, task.status) {
        (Concern::Failed, _) => Some(Color::Red),
        (Concern::UnknownStatus, _) => Some(Color::Yellow),
        (Concern::Running | Concern::Lagging, _) => Some(Color::Cyan),
        (Concern::Ended, "Success") => Some(Color::Green),
        (Concern::Ended, _) => None,
    }
}
