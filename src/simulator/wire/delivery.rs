//! How an answer travels: at once and whole, or late, in drops, cut, or never.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame};
use tokio::time::Sleep;

use crate::simulator::faults::damage::Damage;
use crate::simulator::faults::{Drip, Effect};

/// An answer's body on its way.
pub(crate) type Stream = UnsyncBoxBody<Bytes, io::Error>;

/// The connection ends without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abort {
    /// By TCP FIN.
    Close,
    /// By TCP RST.
    Reset,
}

/// A body that leaves piece by piece, and may break off.
#[derive(Debug)]
struct Pieces {
    left: Bytes,
    drip: Option<Drip>,
    pause: Option<Pin<Box<Sleep>>>,
    cut: bool,
    flushed: bool,
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Close => "a fault closes the connection",
            Self::Reset => "a fault resets the connection",
        })
    }
}

impl std::error::Error for Abort {}

/// Waits as long as the faults say, which may be for ever.
///
/// # Errors
///
/// When the connection is to end without an answer.
pub(crate) async fn delay(damage: &Damage<'_>) -> Result<(), Abort> {
    let latency: Duration = damage
        .0
        .iter()
        .filter_map(|effect| match effect {
            Effect::Latency(latency) => Some(*latency),
            _ => None,
        })
        .sum();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    if damage.holds(&Effect::Hang) {
        std::future::pending::<()>().await;
    }
    match abort(damage) {
        Some(abort) => Err(abort),
        None => Ok(()),
    }
}

/// Whether the request gets an answer at all.
pub(crate) fn answers(damage: &Damage<'_>) -> bool {
    !damage.holds(&Effect::Hang) && abort(damage).is_none()
}

fn abort(damage: &Damage<'_>) -> Option<Abort> {
    damage.0.iter().find_map(|effect| match effect {
        Effect::Close => Some(Abort::Close),
        Effect::Reset => Some(Abort::Reset),
        _ => None,
    })
}

/// The body as it travels, and the `Content-Length` that is announced for it.
pub(crate) fn stream(damage: &Damage<'_>, body: Vec<u8>) -> (Stream, u64) {
    let length = body.len() as u64;
    let (mut drip, mut off) = (None, None);
    for effect in &damage.0 {
        match effect {
            Effect::Drip(found) => drip = Some(*found),
            Effect::ContentLength(bytes) => off = Some(*bytes),
            _ => {}
        }
    }
    let cut = damage.holds(&Effect::CutBody);
    if drip.is_none() && off.is_none() && !cut {
        let whole = Full::new(Bytes::from(body));
        return (whole.map_err(|never: Infallible| match never {}).boxed_unsync(), length);
    }
    let mut left = Bytes::from(body);
    if cut {
        left.truncate(left.len() / 2);
    }
    let announced = length.saturating_add_signed(off.unwrap_or_default());
    (Pieces { left, drip, pause: None, cut, flushed: false }.boxed_unsync(), announced)
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        if self.left.is_empty() && !self.flushed {
            // An end that falls short of the announced length discards what is still buffered;
            // hyper writes that out when the body has nothing for the moment.
            self.flushed = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.left.is_empty() {
            let broken = || Err(io::Error::other("a fault cuts the body"));
            return Poll::Ready(self.cut.then(broken));
        }
        let length = self.drip.map_or(self.left.len(), |drip| drip.bytes.min(self.left.len()));
        let piece = self.left.split_to(length);
        self.pause = self.drip.map(|drip| Box::pin(tokio::time::sleep(drip.pause)));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}
