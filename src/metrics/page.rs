//! A page that is ready to be sent.

use std::collections::VecDeque;
use std::iter::{from_fn, once};
use std::sync::Arc;
use std::vec::IntoIter;

use bytes::Bytes;

use super::format::Format;
use super::plan::Plan;
use super::text::{LINE, Memory, Text};

/// Size of the pieces in which text is sent, but for their last line: large enough that sending it
/// takes few system calls, small enough to stay in a processor's cache until it is sent, and with
/// their last line no more than what a connection takes at once.
const PIECE: usize = 64 * 1024 - LINE;

/// Text of instances that is kept when it was written once, in bytes: it is less than a connection
/// needs for itself, and writing it would take longer than sending it. More is written each time.
const KEPT: u64 = 128 * 1024;

/// A page whose size is known. Text is written while it is sent, piece by piece.
pub struct Page {
    size: u64,
    pieces: Pieces,
}

/// The pieces of a page, in their order. None of them is empty.
pub struct Pieces(Source);

enum Source {
    Ready(IntoIter<Bytes>),
    Written(Box<dyn Iterator<Item = Bytes> + Send>),
}

/// Text to be written.
pub(super) struct TextPage {
    /// What stands before the instances' families.
    pub(super) before: Bytes,
    pub(super) plan: Arc<Plan>,
    pub(super) format: Format,
    /// What stands after them.
    pub(super) after: Bytes,
}

impl Page {
    /// A page of finished pieces.
    pub(super) fn ready(pieces: Vec<Bytes>) -> Self {
        let size = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { size, pieces: Pieces::from(pieces) }
    }

    /// A page of text.
    pub(super) fn text(page: TextPage) -> Self {
        let planned = page.plan.size(page.format);
        if planned <= KEPT {
            let TextPage { before, plan, format, after } = page;
            let kept = plan.texts[format as usize].get_or_init(|| {
                let (before, after) = (Bytes::new(), Bytes::new());
                let alone = TextPage { before, plan: Arc::clone(&plan), format, after };
                alone.into_pieces(planned).collect()
            });
            let kept = kept.iter().cloned();
            return Self::ready(once(before).chain(kept).chain([after]).collect());
        }
        let size = planned + (page.before.len() + page.after.len()) as u64;
        Self { size, pieces: Pieces(Source::Written(Box::new(page.into_pieces(size)))) }
    }

    /// Size of the whole page in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The pieces.
    pub fn into_pieces(self) -> Pieces {
        self.pieces
    }
}

impl From<Vec<Bytes>> for Pieces {
    fn from(mut pieces: Vec<Bytes>) -> Self {
        pieces.retain(|piece| !piece.is_empty());
        Self(Source::Ready(pieces.into_iter()))
    }
}

impl Pieces {
    /// All that are left.
    pub fn take_all(&mut self) -> Vec<Bytes> {
        match &mut self.0 {
            Source::Ready(pieces) => std::mem::take(pieces).collect(),
            Source::Written(pieces) => pieces.collect(),
        }
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        match &mut self.0 {
            Source::Ready(pieces) => pieces.next(),
            Source::Written(pieces) => pieces.next(),
        }
    }
}

impl TextPage {
    /// `left` is the size of the page.
    fn into_pieces(self, mut left: u64) -> impl Iterator<Item = Bytes> + Send {
        let Self { before, plan, format, after } = self;
        let mut parts = Parts { plan, format, section: 0, cell: 0 };
        let mut ready = VecDeque::new();
        let room = |left: u64| Vec::with_capacity((PIECE + LINE).min(left as usize));
        let mut first = room(left);
        first.extend_from_slice(&before);
        let (mut rest, mut after) = (Memory::from(first), Some(after));
        from_fn(move || {
            while ready.is_empty() {
                let mut full = |piece: &mut Vec<u8>| {
                    left -= piece.len() as u64;
                    ready.push_back(Bytes::from(std::mem::replace(piece, room(left))));
                };
                let mut text = Text::after(std::mem::take(&mut rest), PIECE, &mut full);
                if parts.write_until_full(&mut text) {
                    rest = text.into_rest();
                } else {
                    text.bytes(&after.take()?);
                    text.finish();
                }
            }
            ready.pop_front()
        })
    }
}

/// How far the writing of the instances' families has come.
struct Parts {
    plan: Arc<Plan>,
    format: Format,
    section: usize,
    cell: usize,
}

impl Parts {
    /// Writes on until a piece has been handed on; false if there is nothing more to write.
    fn write_until_full(&mut self, text: &mut Text<'_>) -> bool {
        while let Some(section) = self.plan.sections.get(self.section) {
            if self.cell == 0 {
                section.write_opening(self.format, text);
            }
            while self.cell < section.cells() {
                self.plan.write_cell(section, self.cell, text);
                self.cell += 1;
                if text.was_handed_on() {
                    return true;
                }
            }
            (self.section, self.cell) = (self.section + 1, 0);
        }
        false
    }
}
