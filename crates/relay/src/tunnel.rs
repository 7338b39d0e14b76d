//! A tunnel between two nodes: two copies, each of which takes a frame from one side only when the
//! other side has room for it, so that a slow reader slows the writer and not the relay.
//!
//! Handed both ends, and who is told of every frame before it is passed on. A frame is never looked into.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tonic::{Status, Streaming};

use super::refusal::Refusal;
use pairing::NodeId;
use wire::relay::{Frame, Piece};

/// Frames that wait to be written to one side: the one being written, and one so that it need not wait
/// for the next to be read.
pub(super) const FRAMES_WAITING_MAX: usize = 2;

/// One node's two ends of a call.
pub(super) struct Ends {
    pub(super) node: NodeId,
    pub(super) incoming: Streaming<Frame>,
    pub(super) outgoing: mpsc::Sender<Result<Frame, Status>>,
}

/// Passes frames on in both directions until both end, one breaks, or nothing moves for `idle`.
///
/// `moved` counts the bytes. `pass` is told of each frame's bytes, and its refusal ends the tunnel.
///
/// # Errors
/// Why it ended before both sides had finished.
pub(super) async fn join(
    one: Ends,
    two: Ends,
    idle: Duration,
    moved: &AtomicU64,
    pass: impl Fn(u64) -> Result<(), Refusal> + Sync,
) -> Result<(), Refusal> {
    let counted = |length: u64| {
        moved.fetch_add(length, Relaxed);
        pass(length)
    };
    let copies = async {
        // Both are told that they are joined before either hears from the other.
        for outgoing in [&one.outgoing, &two.outgoing] {
            let joined = Ok(Piece::Joined.into());
            let sent = outgoing.send(joined).await;
            sent.map_err(|_| Refusal::OtherEndGone)?;
        }
        // One direction may end well while the other goes on; a failure of either ends both.
        tokio::try_join!(
            copy(one.incoming, two.outgoing, &counted),
            copy(two.incoming, one.outgoing, &counted),
        )
    };
    tokio::select! {
        ended = copies => ended.map(|_| ()),
        () = silence(moved, idle) => Err(Refusal::OtherEndGone),
    }
}

/// Copies one direction to its end, which the other side sees as the end of the stream; the other
/// direction goes on.
async fn copy(
    from: Streaming<Frame>,
    to: mpsc::Sender<Result<Frame, Status>>,
    pass: &(impl Fn(u64) -> Result<(), Refusal> + Sync),
) -> Result<(), Refusal> {
    let copied = copy_frames(from, &to, pass).await;
    if let Err(refusal) = copied {
        // Without room nobody reads, and the end of the stream says enough.
        let _ = to.try_send(Err(refusal.into()));
    }
    copied
}

async fn copy_frames(
    mut from: Streaming<Frame>,
    to: &mpsc::Sender<Result<Frame, Status>>,
    pass: &(impl Fn(u64) -> Result<(), Refusal> + Sync),
) -> Result<(), Refusal> {
    let gone = || Refusal::OtherEndGone;
    loop {
        // Room first: what was taken would have to be held until there is some.
        let room = to.reserve().await.map_err(|_| gone())?;
        let frame = tokio::select! {
            frame = from.message() => frame.map_err(|_| gone())?,
            // Or a reader that has gone would be noticed with the next frame only.
            () = to.closed() => return Err(gone()),
        };
        let Some(frame) = frame else {
            return Ok(());
        };
        let Ok(Piece::Data(data)) = Piece::try_from(frame) else {
            return Err(Refusal::Malformed);
        };
        pass(data.len() as u64)?;
        room.send(Ok(Piece::Data(data).into()));
    }
}

/// Returns when nothing has moved for `idle`, at most twice as late.
async fn silence(moved: &AtomicU64, idle: Duration) {
    let mut before = moved.load(Relaxed);
    loop {
        sleep(idle).await;
        let now = moved.load(Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}
