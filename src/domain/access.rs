//! Who may do what: roles, the permissions they hold, and the names both have on the wire.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A role of an account. An account can hold several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, including the roles of others.
    Owner,
    /// Writes the catalogue.
    Editor,
    /// Reads the catalogue.
    Viewer,
    /// Reads the casting agency's lists.
    CastingAssistant,
    /// Changes actors and movies.
    CastingDirector,
    /// Makes and removes movies.
    ExecutiveProducer,
}

impl Role {
    /// All roles, in the order of the contract.
    pub const ALL: [Self; 6] = [
        Self::Owner,
        Self::Editor,
        Self::Viewer,
        Self::CastingAssistant,
        Self::CastingDirector,
        Self::ExecutiveProducer,
    ];

    /// The name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Editor => "editor",
            Self::Viewer => "viewer",
            Self::CastingAssistant => "casting_assistant",
            Self::CastingDirector => "casting_director",
            Self::ExecutiveProducer => "executive_producer",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What the role may do.
    #[must_use]
    pub const fn permissions(self) -> &'static [Permission] {
        use Permission as P;
        match self {
            Self::Owner => &P::ALL,
            Self::Editor => &[
                P::ViewCatalogue,
                P::UseStreams,
                P::UseChannels,
                P::UseCollections,
                P::UseImages,
                P::EditCatalogue,
                P::UploadFiles,
            ],
            Self::Viewer => &[P::ViewCatalogue, P::UseStreams, P::UseChannels, P::UseCollections, P::UseImages],
            Self::CastingAssistant => &[P::ViewActors, P::ViewMovies],
            Self::CastingDirector => {
                &[P::ViewActors, P::ViewMovies, P::CreateActors, P::DeleteActors, P::ModifyActors, P::ModifyMovies]
            }
            Self::ExecutiveProducer => &[
                P::ViewActors,
                P::ViewMovies,
                P::CreateActors,
                P::DeleteActors,
                P::ModifyActors,
                P::ModifyMovies,
                P::CreateMovies,
                P::DeleteMovies,
            ],
        }
    }
}

/// One thing that can be allowed, `verb:noun` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it; `name` gives the wire form")]
pub enum Permission {
    #[serde(rename = "view:catalogue")]
    ViewCatalogue,
    #[serde(rename = "edit:catalogue")]
    EditCatalogue,
    #[serde(rename = "use:streams")]
    UseStreams,
    #[serde(rename = "use:channels")]
    UseChannels,
    #[serde(rename = "use:collections")]
    UseCollections,
    #[serde(rename = "use:images")]
    UseImages,
    #[serde(rename = "upload:files")]
    UploadFiles,
    #[serde(rename = "manage:users")]
    ManageUsers,
    #[serde(rename = "operate:server")]
    OperateServer,
    #[serde(rename = "view:actors")]
    ViewActors,
    #[serde(rename = "view:movies")]
    ViewMovies,
    #[serde(rename = "create:actors")]
    CreateActors,
    #[serde(rename = "delete:actors")]
    DeleteActors,
    #[serde(rename = "modify:actors")]
    ModifyActors,
    #[serde(rename = "modify:movies")]
    ModifyMovies,
    #[serde(rename = "create:movies")]
    CreateMovies,
    #[serde(rename = "delete:movies")]
    DeleteMovies,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 17] = [
        Self::ViewCatalogue,
        Self::EditCatalogue,
        Self::UseStreams,
        Self::UseChannels,
        Self::UseCollections,
        Self::UseImages,
        Self::UploadFiles,
        Self::ManageUsers,
        Self::OperateServer,
        Self::ViewActors,
        Self::ViewMovies,
        Self::CreateActors,
        Self::DeleteActors,
        Self::ModifyActors,
        Self::ModifyMovies,
        Self::CreateMovies,
        Self::DeleteMovies,
    ];

    /// The permission of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }

    /// The form in tokens and texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ViewCatalogue => "view:catalogue",
            Self::EditCatalogue => "edit:catalogue",
            Self::UseStreams => "use:streams",
            Self::UseChannels => "use:channels",
            Self::UseCollections => "use:collections",
            Self::UseImages => "use:images",
            Self::UploadFiles => "upload:files",
            Self::ManageUsers => "manage:users",
            Self::OperateServer => "operate:server",
            Self::ViewActors => "view:actors",
            Self::ViewMovies => "view:movies",
            Self::CreateActors => "create:actors",
            Self::DeleteActors => "delete:actors",
            Self::ModifyActors => "modify:actors",
            Self::ModifyMovies => "modify:movies",
            Self::CreateMovies => "create:movies",
            Self::DeleteMovies => "delete:movies",
        }
    }
}

/// The permissions of a caller, without repetition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(BTreeSet<Permission>);

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().collect())
    }
}

impl Permissions {
    /// What these roles may do together.
    #[must_use]
    pub fn of_roles(roles: &[Role]) -> Self {
        Self(roles.iter().flat_map(|role| role.permissions()).copied().collect())
    }

    /// These.
    #[must_use]
    pub fn of(permissions: &[Permission]) -> Self {
        Self(permissions.iter().copied().collect())
    }

    /// Whether `permission` is among them.
    #[must_use]
    pub fn contains(&self, permission: Permission) -> bool {
        self.0.contains(&permission)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_wire_form() {
        for permission in Permission::ALL {
            assert_eq!(serde_json::to_value(permission).unwrap(), permission.name());
            assert_eq!(Permission::parse(permission.name()), Some(permission));
        }
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
            assert_eq!(Role::parse(role.name()), Some(role));
        }
    }

    #[test]
    fn each_casting_role_includes_the_one_below() {
        let of = |role: Role| Permissions::of_roles(&[role]).0;
        assert!(of(Role::CastingDirector).is_superset(&of(Role::CastingAssistant)));
        assert!(of(Role::ExecutiveProducer).is_superset(&of(Role::CastingDirector)));
        assert_eq!(of(Role::Owner).len(), Permission::ALL.len());
    }
}
