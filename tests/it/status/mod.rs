//! The status page and its JSON: from what is in the store to what a browser makes of it.

mod browser;
mod escaping;
mod fleet;
mod json;
mod looks;
mod page;
