//! `playhouse store`: where bytes live, from the command line.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::with_causes;
use crate::actors::files::{Extent, FilesError, Moved, Mover, Progress, Source, StorageKind};

/// How often the bar is drawn.
const TICK: Duration = Duration::from_millis(200);
/// How often a line says how far it is, where nobody looks at a bar.
const LINE: Duration = Duration::from_secs(5);
const BAR: &str = "{bar:32} {bytes} of {total_bytes}, {msg}, {binary_bytes_per_sec}, {eta} left";

/// Manage the store of bytes, with a server running or without.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum StoreCommand {
    /// Copy all bytes to the other store, while servers go on. Each file is read again where it came to, and its hash
    /// compared. What is there already is passed over, so a run that was broken off can be repeated.
    Move(Move),
}

/// Where to, and what becomes of the bytes where they were.
#[derive(Debug, Clone, Copy, Args)]
pub struct Move {
    /// The store to copy to.
    #[arg(long)]
    to: Place,
    /// Remove each file where it was, once its copy was read and is right. Servers that do not know the other store
    /// have lost it then.
    #[arg(long)]
    remove: bool,
}

/// A store, as it is called in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    /// The media folder.
    Local,
    /// The bucket.
    S3,
}

/// Why a command failed; its text is one line.
#[derive(Debug, thiserror::Error)]
pub enum StoreCommandError {
    /// A store, or the database.
    #[error("{}; what was copied is there: run it again", with_causes(.0))]
    Files(#[from] FilesError),
    /// Files that are not what they should be.
    #[error("{lost} files are in neither store, and {damaged} do not have their hash: their ids are above")]
    Incomplete {
        /// Whose bytes are nowhere.
        lost: usize,
        /// Whose bytes are others.
        damaged: usize,
    },
    /// A signal came.
    #[error("given up; what was copied is there: run it again")]
    GivenUp,
    /// Standard output.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl StoreCommand {
    /// Does it, shows how far it is, and prints what came of it.
    ///
    /// # Errors
    /// See [`StoreCommandError`].
    pub async fn carry_out(self, hand: &Mover) -> Result<(), StoreCommandError> {
        let Self::Move(Move { to, remove }) = self;
        let to = match to {
            Place::Local => StorageKind::Local,
            Place::S3 => StorageKind::S3,
        };
        let source = if remove { Source::Remove } else { Source::Keep };
        let progress = Progress::default();
        let moved = tokio::select! {
            moved = hand.run(to, source, &progress) => moved?,
            never = show(&progress, to) => match never {},
        };
        tell(&moved)
    }
}

/// Draws a bar where somebody looks, else writes a line now and then. Never ends.
async fn show(progress: &Progress, to: StorageKind) -> std::convert::Infallible {
    let somebody_looks = !ProgressDrawTarget::stderr().is_hidden();
    let bar = ProgressBar::hidden();
    bar.set_style(ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut next_line = LINE;
    let mut passed = Duration::ZERO;
    loop {
        let Extent { seen, files, passed: done, bytes } = progress.extent(to);
        let text = format!("{seen} of {files} files");
        // Before it is known how much there is, there is nothing to show.
        let is_known = files > 0;
        if is_known && somebody_looks {
            bar.set_message(text);
            bar.set_length(bytes);
            bar.set_position(done);
            if bar.is_hidden() {
                bar.set_draw_target(ProgressDrawTarget::stderr());
            }
        } else if is_known && passed >= next_line {
            tracing::info!(bytes = done, of = bytes, "{text}");
            next_line = passed + LINE;
        }
        tokio::time::sleep(TICK).await;
        passed += TICK;
    }
}

fn tell(moved: &Moved) -> Result<(), StoreCommandError> {
    let Moved { copied, present, gone, lost, damaged } = moved;
    let mut out = io::stdout().lock();
    for (ids, what) in [(lost, "is in neither store"), (damaged, "does not have its hash")] {
        for id in ids {
            writeln!(out, "{id} {what}")?;
        }
    }
    writeln!(out, "copied {copied} files, {present} were there, {gone} were removed meanwhile")?;
    out.flush()?;
    if lost.is_empty() && damaged.is_empty() {
        return Ok(());
    }
    Err(StoreCommandError::Incomplete { lost: lost.len(), damaged: damaged.len() })
}
