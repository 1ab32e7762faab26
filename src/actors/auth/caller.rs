//! Who asks.

use std::sync::Arc;

use super::standing::Standing;
use crate::domain::{
    access::{Permission, Role},
    ids::{FamilyId, UserId},
};

/// A person whose token was taken. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub user_id: UserId,
    /// The sign-in the token follows from.
    pub family: Option<FamilyId>,
    pub(super) standing: Arc<Standing>,
}

impl Caller {
    /// Whether the account has this permission now.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.standing.permissions.contains(permission)
    }

    /// Whether the account is an owner.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.standing.roles.contains(&Role::Owner)
    }

    /// Whether the account is this one, or an owner.
    #[must_use]
    pub fn may_act_for(&self, id: UserId) -> bool {
        self.user_id == id || self.is_owner()
    }
}
