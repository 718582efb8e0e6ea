//! Attachment folders: walking them into entries and restoring entries into folders. The two ends
//! exchange only [`crate::entry::Entry`] values and bytes; neither knows the container.
//!
//! The way in: [`walk`] lists a source in path order, [`mod@file`] reads what it lists, [`exclude`]
//! leaves out what the user does not want. The way out: [`restore`] writes entries beneath one
//! folder and never outside it, [`compare`] tells how a restored tree differs. Both name what they
//! could not do as a [`problem`].

mod apply;
mod attributes;
mod beneath;
pub mod compare;
pub mod exclude;
pub mod file;
mod folder;
mod folder_tree;
mod inspect;
pub mod links;
mod names;
pub mod problem;
pub mod restore;
mod spot;
pub mod walk;
pub mod write;

#[cfg(test)]
mod tests;
