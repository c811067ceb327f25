//! Cryptographic extension: AES, SHA, polynomial multiply long.

use crate::a64::rows;

rows! {}
