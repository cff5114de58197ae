//! Paging through a list that is longer than a page.

use maud::{Markup, html};

use crate::status::query::{PAGE_ROWS, PageQuery};
use crate::status::verdict::number;

/// Which rows are shown of how many.
pub(super) fn range(page: usize, total: usize) -> String {
    let first = (page - 1).saturating_mul(PAGE_ROWS);
    let last = first.saturating_add(PAGE_ROWS).min(total);
    if total <= PAGE_ROWS && page == 1 {
        number(total as u64)
    } else if first >= total {
        format!("none of {}", number(total as u64))
    } else {
        let [first, last, total] = [first + 1, last, total].map(|n| number(n as u64));
        format!("{first} to {last} of {total}")
    }
}

/// Links to the pages around this one. `to` is the query that shows a page, `anchor` the list's ID.
pub(super) fn pager(
    page: usize,
    total: usize,
    anchor: &str,
    to: impl Fn(usize) -> PageQuery,
) -> Markup {
    let last = total.div_ceil(PAGE_ROWS).max(1);
    if last == 1 && page == 1 {
        return html! {};
    }
    let link = |page: usize, text: &str| {
        html! { a href={ (to(page).link()) "#" (anchor) } { (text) } }
    };
    html! {
        nav .pager aria-label={ "Pages of " (anchor) } {
            @if page > 1 {
                (link(1, "First")) " " (link((page - 1).min(last), "Previous"))
            }
            span { "Page " (page) " of " (last) }
            @if page < last {
                (link(page + 1, "Next")) " " (link(last, "Last"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_which_rows_are_shown() {
        for (page, total, text) in [
            (1, 0, "0"),
            (1, 25, "25"),
            (1, 26, "1 to 25 of 26"),
            (2, 26, "26 to 26 of 26"),
            (3, 26, "none of 26"),
            (400, 10_000, "9,976 to 10,000 of 10,000"),
            (usize::MAX, 26, "none of 26"),
        ] {
            assert_eq!(range(page, total), text, "page {page} of {total}");
        }
    }

    #[test]
    fn leads_to_the_pages_around() {
        let to = |page| PageQuery { tasks_page: page, ..PageQuery::default() };
        let links = |page, total| {
            let html = pager(page, total, "tasks", to).into_string();
            let hrefs = html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
            hrefs.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(links(1, 25), [""; 0]);
        assert_eq!(links(1, 51), ["?tasks_page=2#tasks", "?tasks_page=3#tasks"]);
        assert_eq!(
            links(2, 51),
            ["?#tasks", "?#tasks", "?tasks_page=3#tasks", "?tasks_page=3#tasks"]
        );
        // From past the end there is a way back.
        assert_eq!(links(9, 51), ["?#tasks", "?tasks_page=3#tasks"]);
    }
}
