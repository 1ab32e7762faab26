//! A group for the database, and who waits for what in it.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::oneshot::Sender;

use crate::{
    db::{
        DbError,
        queries::ledger::{Group, Heard, Posted, Saved},
    },
    domain::{
        ids::StreamId,
        playback::{View, Viewed},
    },
};

/// Rows of a group, at most.
pub(super) const MOST: usize = 500;

/// What somebody waits for.
pub(super) enum Ask {
    Count(View, Sender<Result<Viewed, DbError>>),
    Save(Save),
}

impl Ask {
    /// Says that it was not done; gives progress back.
    pub(super) fn refuse(self, why: &str) -> Option<Heard> {
        let error = DbError::Away(why.to_owned());
        // Whoever has gone does not miss the answer.
        match self {
            Self::Count(_, answer) => {
                drop(answer.send(Err(error)));
                None
            }
            Self::Save(save) => {
                drop(save.answer.send(Err(error)));
                Some(save.heard)
            }
        }
    }
}

/// Progress that has to be stored before somebody goes on.
pub(super) struct Save {
    pub(super) heard: Heard,
    pub(super) answer: Sender<Result<(), DbError>>,
    /// How often the stream was found locked.
    pub(super) refused: u32,
}

/// A group under way.
#[derive(Default)]
pub(super) struct Batch {
    views: Vec<View>,
    viewers: Vec<Vec<Sender<Result<Viewed, DbError>>>>,
    of_view: HashMap<StreamId, usize>,
    heard: Vec<Heard>,
    savers: Vec<Vec<Save>>,
    of_heard: HashMap<StreamId, usize>,
}

/// What is left to do of a group.
#[derive(Default)]
pub(super) struct Rest {
    /// Streams that were locked.
    pub(super) busy: Vec<Save>,
    /// Notes that were not stored.
    pub(super) notes: Vec<Heard>,
    /// What was stored for somebody who waited.
    pub(super) stored: Vec<Heard>,
}

impl Batch {
    /// Takes what somebody waits for.
    pub(super) fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Count(view, answer) => {
                let at = *self.of_view.entry(view.stream).or_insert(self.views.len());
                if at == self.views.len() {
                    self.views.push(view);
                    self.viewers.push(Vec::new());
                }
                if let Some(viewers) = self.viewers.get_mut(at) {
                    viewers.push(answer);
                }
            }
            Ask::Save(save) => {
                let at = self.note(save.heard.clone());
                if let Some(savers) = self.savers.get_mut(at) {
                    savers.push(save);
                }
            }
        }
    }

    /// Takes progress; the later of a session stays. Gives its place.
    pub(super) fn note(&mut self, heard: Heard) -> usize {
        let at = *self.of_heard.entry(heard.progress.stream).or_insert(self.heard.len());
        match self.heard.get_mut(at) {
            Some(known) if !heard.is_before(known) => *known = heard,
            Some(_) => {}
            None => {
                self.heard.push(heard);
                self.savers.push(Vec::new());
            }
        }
        at
    }

    /// Its rows.
    pub(super) fn len(&self) -> usize {
        self.views.len() + self.heard.len()
    }

    /// Hands the group out. What follows needs it back.
    pub(super) fn seal(&mut self) -> Arc<Group> {
        Arc::new(Group { views: std::mem::take(&mut self.views), heard: std::mem::take(&mut self.heard) })
    }

    /// Answers whoever waits.
    pub(super) fn settle(self, group: &Group, posted: &Posted) -> Rest {
        for (viewers, viewed) in self.viewers.into_iter().zip(&posted.viewed) {
            for viewer in viewers {
                drop(viewer.send(Ok(*viewed)));
            }
        }
        let mut rest = Rest::default();
        for ((savers, heard), saved) in self.savers.into_iter().zip(&group.heard).zip(&posted.saved) {
            match saved {
                Saved::Busy if savers.is_empty() => rest.notes.push(heard.clone()),
                Saved::Busy => rest.busy.extend(savers),
                Saved::Done => {
                    if !savers.is_empty() {
                        rest.stored.push(heard.clone());
                    }
                    for save in savers {
                        drop(save.answer.send(Ok(())));
                    }
                }
                Saved::Gone => savers.into_iter().for_each(|save| drop(save.answer.send(Err(DbError::NotFound)))),
            }
        }
        rest
    }

    /// Says to whoever waits that it was not done; gives all progress back.
    pub(super) fn refuse(self, group: &Group, why: &str) -> Vec<Heard> {
        let away = || DbError::Away(why.to_owned());
        self.viewers.into_iter().flatten().for_each(|viewer| drop(viewer.send(Err(away()))));
        self.savers.into_iter().flatten().for_each(|save| drop(save.answer.send(Err(away()))));
        group.heard.clone()
    }
}
