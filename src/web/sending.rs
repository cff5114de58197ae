//! The body of an answer on its way: what has to live as long as there is something to hand over.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::activity::Answering;
use super::body::Body;
use super::outbox::Place;

/// What is handed over at once. The connection keeps a piece until it is sent; it must not be a
/// whole page.
const PIECE: usize = 64 * 1024;

/// A body in small pieces. When it is dropped, its last piece was handed over.
pub(super) struct Sending {
    body: Body,
    /// The rest of the body's current piece.
    piece: Bytes,
    /// Whether the piece is handed over in parts.
    parted: bool,
    _answering: Answering,
    _place: Option<Arc<Place>>,
}

impl Sending {
    pub(super) fn new(body: Body, answering: Answering, place: Option<Arc<Place>>) -> Self {
        Self { body, piece: Bytes::new(), parted: false, _answering: answering, _place: place }
    }

    /// Size of what is left to hand over, in bytes.
    fn left(&self) -> u64 {
        self.piece.len() as u64 + self.body.size()
    }
}

impl hyper::body::Body for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        while self.piece.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    self.piece = frame.into_data().unwrap_or_default();
                    self.parted = self.piece.len() > PIECE;
                }
                _ => return Poll::Ready(None),
            }
        }
        let is_near_the_end = self.left() <= 2 * PIECE as u64;
        let size = self.piece.len().min(PIECE);
        let mut piece = self.piece.split_to(size);
        if self.parted && is_near_the_end {
            // The connection may keep the last two parts for long, and with them all of the piece.
            piece = Bytes::copy_from_slice(&piece);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}
