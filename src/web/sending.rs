//! The body of an answer on its way: what has to live as long as there is something to hand over.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::activity::Answering;
use super::body::Body;
use super::rope::Rope;

/// What is handed over at once. The connection keeps a piece until it is sent; it must not be a
/// whole page.
const PIECE: usize = 64 * 1024;

/// Size up to which a body is handed over whole: one that is sent by a single system call is there
/// sooner than one whose reader is woken twice.
const WHOLE: u64 = 128 * 1024;

/// A body in small pieces. When it is dropped, its last piece was handed over.
pub(super) struct Sending {
    body: Body,
    /// The rest of the body's current piece.
    piece: Bytes,
    /// Whether the piece is handed over in parts.
    parted: bool,
    /// Whether nothing was handed over yet, and all may be at once.
    is_whole: bool,
    _answering: Answering,
}

impl Sending {
    pub(super) fn new(body: Body, answering: Answering) -> Self {
        let is_whole = body.size() <= WHOLE;
        Self { body, piece: Bytes::new(), parted: false, is_whole, _answering: answering }
    }

    /// Size of what is left to hand over, in bytes.
    fn left(&self) -> u64 {
        self.piece.len() as u64 + self.body.size()
    }
}

impl hyper::body::Body for Sending {
    type Data = Rope;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Rope>, Infallible>>> {
        if std::mem::take(&mut self.is_whole) && self.left() > 0 {
            let rope = Rope::new(self.body.take_all());
            return Poll::Ready(Some(Ok(Frame::data(rope))));
        }
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
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}
