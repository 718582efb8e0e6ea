//! Keys, and what is done with them: derive, name, seal, open; key slots.
