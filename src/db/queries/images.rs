//! The tables `images` and `image_variants`.

use diesel::prelude::*;
use uuid::Uuid;

use crate::{
    db::schema::{image_variants, images},
    domain::{
        ids::UserId,
        images::{ImageWindow, Width},
    },
};

/// Says that the file is an image of the account.
///
/// # Errors
/// `images_owner_id_fkey` where the account is gone; the database's.
pub fn insert(conn: &mut PgConnection, file: Uuid, owner: UserId) -> QueryResult<()> {
    let row = (images::file_id.eq(file), images::owner_id.eq(owner.uuid()));
    diesel::insert_into(images::table).values(row).execute(conn).map(drop)
}

/// Images, the oldest first: all, or those of an account.
///
/// # Errors
/// The database's.
pub fn list(conn: &mut PgConnection, owner: Option<UserId>, window: ImageWindow) -> QueryResult<Vec<Uuid>> {
    let mut listed =
        images::table.order(images::file_id).limit(window.limit.into()).select(images::file_id).into_boxed();
    if let Some(owner) = owner {
        listed = listed.filter(images::owner_id.eq(owner.uuid()));
    }
    if let Some(after) = window.after {
        listed = listed.filter(images::file_id.gt(after.uuid()));
    }
    listed.load(conn)
}

/// Whose image the file is; `None` where it is no image.
///
/// # Errors
/// The database's.
pub fn owner_of(conn: &mut PgConnection, file: Uuid) -> QueryResult<Option<Uuid>> {
    images::table.find(file).select(images::owner_id).first(conn).optional()
}

/// The files of all images of an account.
///
/// # Errors
/// The database's.
pub fn files_of(conn: &mut PgConnection, owner: UserId) -> QueryResult<Vec<Uuid>> {
    images::table.filter(images::owner_id.eq(owner.uuid())).select(images::file_id).load(conn)
}

/// The widths in which there are copies of an image, and their files.
///
/// # Errors
/// The database's.
pub fn variants_of(conn: &mut PgConnection, file: Uuid) -> QueryResult<Vec<(i32, Uuid)>> {
    let variants = image_variants::table.filter(image_variants::file_id.eq(file));
    variants.select((image_variants::width, image_variants::variant_id)).load(conn)
}

/// Says that `variant` is the copy of `file` in this width; false where it has one already.
///
/// # Errors
/// `image_variants_file_id_fkey` where the image is gone; the database's.
pub fn insert_variant(conn: &mut PgConnection, file: Uuid, width: Width, variant: Uuid) -> QueryResult<bool> {
    diesel::insert_into(image_variants::table)
        .values((
            image_variants::file_id.eq(file),
            image_variants::width.eq(i32::try_from(width.pixels()).unwrap_or(i32::MAX)),
            image_variants::variant_id.eq(variant),
        ))
        .on_conflict((image_variants::file_id, image_variants::width))
        .do_nothing()
        .execute(conn)
        .map(|inserted| inserted == 1)
}
