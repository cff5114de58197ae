//! The body of an answer: pieces that are ready or made while they are sent, one after another.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use crate::metrics::Page;

/// A body whose size is known.
pub(super) struct Body {
    pieces: Box<dyn Iterator<Item = Bytes> + Send>,
    left: u64,
}

impl Body {
    /// Size of what is left to send, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.left
    }
}

impl From<Page> for Body {
    fn from(page: Page) -> Self {
        Self { left: page.size(), pieces: page.into_pieces() }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        let left = text.len() as u64;
        Self { pieces: Box::new(std::iter::once(Bytes::from(text))), left }
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
