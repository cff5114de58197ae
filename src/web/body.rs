//! The body of an answer: pieces that are ready or made while they are sent, one after another.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use crate::metrics::{Page, Pieces};

use super::outbox::Place;

/// A body whose size is known.
pub(super) struct Body {
    pieces: Pieces,
    left: u64,
    place: Option<Place>,
}

impl Body {
    /// Size of what is left to send, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.left
    }

    /// All that is left to send.
    pub(super) fn take_all(&mut self) -> Vec<Bytes> {
        self.left = 0;
        self.pieces.take_all()
    }

    /// Holds a place in the outbox as long as there is something to send.
    pub(super) fn hold(&mut self, place: Option<Place>) {
        self.place = place;
    }
}

impl From<Page> for Body {
    fn from(page: Page) -> Self {
        Self { left: page.size(), pieces: page.into_pieces(), place: None }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        let left = text.len() as u64;
        Self { pieces: vec![Bytes::from(text)].into(), left, place: None }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.next();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
