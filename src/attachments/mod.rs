//! Attachment folders: walking them into entries and restoring entries into folders.
