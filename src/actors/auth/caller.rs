//! Who asks, and what they may do.

use std::sync::Arc;

use super::standing::Standing;
use crate::domain::{
    access::Permission,
    ids::{FamilyId, UserId},
};

/// A person or program whose token was taken. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub user_id: UserId,
    /// The sign-in the token follows from.
    pub family: Option<FamilyId>,
    pub(super) standing: Arc<Standing>,
    pub(super) rights: Rights,
}

/// Where the permissions of a caller come from.
#[derive(Debug, Clone)]
pub(super) enum Rights {
    /// The roles that the account has now.
    Roles,
}

impl Caller {
    /// Whether this is allowed to the caller now.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        match &self.rights {
            Rights::Roles => self.standing.permissions.contains(permission),
        }
    }

    /// Whether the caller acts for every account: owners do.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.may(Permission::ManageUsers)
    }

    /// Whether the account is this one, or the caller acts for every account.
    #[must_use]
    pub fn may_act_for(&self, id: UserId) -> bool {
        self.user_id == id || self.is_owner()
    }
}
