//! Who asks, and what they may do.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{api_keys::LiveKey, standing::Standing};
use crate::domain::{
    access::{Permission, Permissions},
    ids::{ApiKeyId, FamilyId, UserId},
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
    /// What an API key was made for, as far as the account may do it now.
    Key(Arc<LiveKey>),
    /// The token, of another issuer, that came with the request.
    Token {
        permissions: Arc<Permissions>,
        /// Seconds since 1970 at which it ends.
        exp: i64,
    },
}

impl Caller {
    /// Whether this is allowed to the caller now.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        match &self.rights {
            Rights::Roles => self.standing.permissions.contains(permission),
            Rights::Key(key) => key.permissions.contains(permission) && self.standing.permissions.contains(permission),
            Rights::Token { permissions, .. } => permissions.contains(permission),
        }
    }

    /// Whether the caller acts for every account: owners do.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.may(Permission::ManageUsers)
    }

    /// Whether a person's own token was sent, and not an API key.
    #[must_use]
    pub const fn is_person(&self) -> bool {
        !matches!(self.rights, Rights::Key(_))
    }

    /// The API key that was sent, where it was one.
    pub(super) fn key(&self) -> Option<ApiKeyId> {
        if let Rights::Key(key) = &self.rights { Some(key.id) } else { None }
    }

    /// The end of the token that was sent, where only the token says when it ends: nothing that is stored here does.
    pub(super) fn token_end(&self) -> Option<DateTime<Utc>> {
        if let Rights::Token { exp, .. } = self.rights { DateTime::from_timestamp(exp, 0) } else { None }
    }

    /// Whether the caller may change the account, or remove it: a person their own, and who acts for every account
    /// any. A key never changes the account that it belongs to.
    #[must_use]
    pub fn may_change(&self, id: UserId) -> bool {
        if self.user_id == id { self.is_person() } else { self.is_owner() }
    }

    /// Whether the account is this one, or the caller acts for every account.
    #[must_use]
    pub fn may_act_for(&self, id: UserId) -> bool {
        self.user_id == id || self.is_owner()
    }
}
