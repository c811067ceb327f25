//! The A64 instruction set: one row per encoding diagram, a file per group of the manual
//! (DDI 0487 C4.1).
//!
//! ```text
//! /// The manual's name for it.
//! Name "bit picture, 32 characters" { field = letter, ... }
//!     nonzero letter,                               (optional: with 0 it is another row's)
//!     unless |i| when the word is reserved,          (optional)
//!     needs Feature,                                (optional: UNDEFINED in a model without it)
//!     [ends]                                        (optional: ends a block of instructions;
//!                                                    [ends unless |i| ...]: not always)
//!     text |i, pc| { the assembly text }
//!     execute |i, e| { the meaning, in the words of `Emit` }
//! ```
//!
//! The comment, the picture and the fields' names are what `anyvisor explain` shows ([`About`]).
//!
//! From a group of rows the macro [`rows`] makes a struct of fields for each row (an
//! [`Instruction`]) and the group's table. The tables are joined here. Two rows whose pictures
//! overlap do not compile, so the order of rows means nothing.
//!
//! A field's name says more than its letter: the fields that [`pattern`] calls selectors (`sf`,
//! `op`, `size`, ...) choose what is done, the others on what. The interpreter makes one function
//! for each value of a row's selectors, in which the row's `if`s and `match`es on them are gone.
//!
//! What is there: all of A64 that an M1 or M2 has, Armv8.4 and what these cores take from 8.5 and
//! 8.6. What is left out, class by class and feature by feature with the reason, is said in
//! [`index`], the manual's index; the guest finds it UNDEFINED.

mod about;
mod atomic;
mod branch;
mod data_immediate;
mod data_register;
mod fp;
pub mod index;
mod loads_stores;
mod loads_stores_simd;
pub(crate) mod operand;
pub mod pattern;
mod pauth;
mod simd;
mod structures;
pub(crate) mod system;

pub use about::{About, Part};
pub use pattern::{Field, Pattern};

use crate::emit::{Call, Emit};
use crate::model::Feature;
use std::sync::LazyLock;

/// One row: its fields, and what can be asked of them.
pub trait Instruction: Sized {
    /// The row's name.
    const NAME: &'static str;
    /// The comment in front of the row.
    const NOTE: &'static str;
    /// The bit picture.
    const PICTURE: &'static str;
    /// The fields and their letters in the picture.
    const FIELDS: &'static [(&'static str, &'static str)];
    /// Its fixed bits.
    const PATTERN: Pattern;
    /// The bits of its selector fields: those that choose what is done, not on what.
    const SELECT: u32;
    /// Whether control may leave the straight line here, or the meaning of what follows change.
    const ENDS: bool;
    /// What a model must have for it not to be UNDEFINED.
    const FEATURE: Option<Feature>;
    /// Takes the fields out of a word that has the fixed bits.
    fn fields(word: u32) -> Self;
    /// Whether these fields are reserved: the word is then unallocated.
    fn reserved(&self) -> bool;
    /// Whether these fields end a block, of a row that may.
    fn ends(&self) -> bool {
        Self::ENDS
    }
    /// The assembly text at address `pc`.
    fn text(&self, pc: u64) -> String;
    /// The meaning.
    ///
    /// # Errors
    /// What made the instruction not complete.
    fn execute<E: Emit>(&self, e: &mut E) -> Result<(), E::Stop>;
}

/// Does something with a row whose type is known only at run time.
pub trait Visitor {
    /// What comes out.
    type Out;
    /// Called with the row's type.
    fn row<I: Instruction>(self) -> Self::Out;
}

/// Turns rows into structs, and the group's table and dispatch.
macro_rules! rows {
    ($($(#[doc = $doc:literal])* $name:ident $picture:literal { $($field:ident = $letter:ident),* $(,)? }
        $(nonzero $nonzero:ident,)? $(unless |$u:ident| $reserved:expr,)? $(needs $feature:ident,)? $([$ends:ident $(unless |$x:ident| $goes_on:expr)?])?
        text |$t:ident, $pc:ident| $text:block
        execute |$i:ident, $e:ident| $body:block)*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name { $($field: u32),* }

            impl $crate::a64::Instruction for $name {
                const NAME: &'static str = stringify!($name);
                const NOTE: &'static str = concat!($($doc, "\n"),*);
                const PICTURE: &'static str = $picture;
                const FIELDS: &'static [(&'static str, &'static str)] =
                    &[$((stringify!($field), stringify!($letter))),*];
                const PATTERN: $crate::a64::Pattern = $crate::a64::Pattern::new($picture)
                    $(.with_nonzero($crate::a64::Field::new($picture, stringify!($nonzero))))?;
                const ENDS: bool = rows!(@ends $($ends)?);
                $($(
                    fn ends(&self) -> bool {
                        let $x = self;
                        !$goes_on
                    }
                )?)?
                const FEATURE: Option<$crate::model::Feature> = rows!(@needs $($feature)?);
                const SELECT: u32 = {
                    let mask = 0;
                    $(let mask = $crate::a64::pattern::with_selector(
                        mask,
                        stringify!($field),
                        $crate::a64::Field::new($picture, stringify!($letter)),
                    );)*
                    mask
                };

                #[inline(always)]
                #[allow(unused_variables)]
                fn fields(word: u32) -> Self {
                    const {
                        let bits = 0
                            $(+ $crate::a64::Field::new($picture, stringify!($letter)).width())*;
                        assert!(
                            bits == $crate::a64::pattern::field_bits($picture),
                            "a letter of the picture has no field"
                        );
                    }
                    Self { $($field: const {
                        $crate::a64::Field::new($picture, stringify!($letter))
                    }.of(word)),* }
                }

                #[inline(always)]
                fn reserved(&self) -> bool {
                    $(let $u = self; if $reserved { return true; })?
                    false
                }

                #[allow(unused_variables)]
                fn text(&self, $pc: u64) -> String {
                    let $t = self;
                    $text
                }

                #[inline(always)]
                #[allow(unused_variables)]
                fn execute<E: $crate::emit::Emit>(&self, $e: &mut E) -> Result<(), E::Stop> {
                    let $i = self;
                    $($e.requires($crate::model::Feature::$feature)?;)?
                    $body
                }
            }
        )*

        /// The patterns of this group, in the order of the rows.
        pub(crate) const PATTERNS: &[$crate::a64::Pattern] =
            &[$(<$name as $crate::a64::Instruction>::PATTERN),*];

        /// Shows row `index` of this group to `visitor`.
        pub(crate) fn visit<V: $crate::a64::Visitor>(index: usize, visitor: V) -> V::Out {
            #[allow(non_camel_case_types, clippy::enum_variant_names)]
            enum Index { $($name),* }
            match index {
                $(i if i == Index::$name as usize => visitor.row::<$name>(),)*
                _ => visitor.row::<$crate::a64::Unallocated>(),
            }
        }
    };
    (@needs $feature:ident) => { Some($crate::model::Feature::$feature) };
    (@needs) => { None };
    (@ends ends) => { true };
    (@ends) => { false };
}
use rows;

/// A word that no row has: UNDEFINED.
#[derive(Clone, Copy, Debug)]
pub struct Unallocated(u32);

impl Instruction for Unallocated {
    const NAME: &'static str = "Unallocated";
    const NOTE: &'static str = "No row has these bits.";
    const PICTURE: &'static str = "--------------------------------";
    const FIELDS: &'static [(&'static str, &'static str)] = &[];
    const PATTERN: Pattern = Pattern { mask: 0, value: 0, nonzero: 0 };
    const ENDS: bool = true;
    const FEATURE: Option<Feature> = None;
    const SELECT: u32 = 0;

    fn fields(word: u32) -> Self {
        Self(word)
    }

    fn reserved(&self) -> bool {
        false
    }

    fn text(&self, _pc: u64) -> String {
        format!(".inst {:#010x} ; undefined", self.0)
    }

    fn execute<E: Emit>(&self, e: &mut E) -> Result<(), E::Stop> {
        e.call(Call::Undefined)
    }
}

/// A row of the whole table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    group: u8,
    index: u8,
}

/// The group number of words that no row has.
const NO_GROUP: u8 = u8::MAX;

/// Joins the groups: the list of their patterns, and the dispatch to them.
macro_rules! groups {
    ($($group:ident),*) => {
        const GROUPS: &[&[Pattern]] = &[$($group::PATTERNS),*];

        impl Row {
            /// Shows the row's type to `visitor`.
            pub fn visit<V: Visitor>(self, visitor: V) -> V::Out {
                #[allow(non_camel_case_types)]
                #[repr(u8)]
                enum Group { $($group),* }
                match self.group {
                    $(g if g == Group::$group as u8 => $group::visit(self.index.into(), visitor),)*
                    _ => visitor.row::<Unallocated>(),
                }
            }
        }
    };
}
use fp::{arithmetic, compare, convert};
use simd::{
    by_element, copy, crypto, extension, fp_by_element, fp_fixed, fp_reduce, fp_three_same,
    fp_two_register, fp_width, permute, scalar, shift, three_different, three_same, two_register,
};
groups!(
    data_immediate,
    data_register,
    branch,
    system,
    pauth,
    loads_stores,
    atomic,
    loads_stores_simd,
    structures,
    arithmetic,
    compare,
    convert,
    copy,
    permute,
    three_same,
    three_different,
    two_register,
    shift,
    scalar,
    by_element,
    fp_three_same,
    fp_two_register,
    fp_width,
    fp_fixed,
    fp_reduce,
    fp_by_element,
    extension,
    crypto
);

/// No two rows overlap. Checked here for all pairs, when this crate is compiled.
const _: () = {
    let mut g = 0;
    while g < GROUPS.len() {
        let mut i = 0;
        while i < GROUPS[g].len() {
            let (mut h, mut j) = (g, i + 1);
            while h < GROUPS.len() {
                while j < GROUPS[h].len() {
                    assert!(!GROUPS[g][i].overlaps(GROUPS[h][j]), "two rows overlap");
                    j += 1;
                }
                h += 1;
                j = 0;
            }
            i += 1;
        }
        g += 1;
    }
};

/// The rows that a word may have, by its bits 31:22.
static CANDIDATES: LazyLock<Vec<Vec<Row>>> = LazyLock::new(|| {
    let top = 0x3ff << 22;
    let all = GROUPS.iter().enumerate().flat_map(|(g, rows)| {
        rows.iter().enumerate().map(move |(i, p)| (Row { group: g as u8, index: i as u8 }, *p))
    });
    let all: Vec<_> = all.collect();
    let fits = |bits: u32, p: &Pattern| (bits << 22 ^ p.value) & p.mask & top == 0;
    (0..1024)
        .map(|bits| all.iter().filter(|(_, p)| fits(bits, p)).map(|(row, _)| *row).collect())
        .collect()
});

impl Row {
    /// The row of a word; the row of [`Unallocated`] if it has none.
    pub fn of(word: u32) -> Self {
        struct Reserved(u32);
        impl Visitor for Reserved {
            type Out = bool;
            fn row<I: Instruction>(self) -> bool {
                I::fields(self.0).reserved()
            }
        }
        Self::by_fixed_bits(word)
            .filter(|row| !row.visit(Reserved(word)))
            .unwrap_or(Row { group: NO_GROUP, index: 0 })
    }

    /// The row whose fixed bits a word has, even if its fields are reserved.
    fn by_fixed_bits(word: u32) -> Option<Self> {
        CANDIDATES[(word >> 22) as usize]
            .iter()
            .find(|row| GROUPS[row.group as usize][row.index as usize].matches(word))
            .copied()
    }

    /// Every row, group by group.
    pub fn all() -> impl Iterator<Item = Self> {
        let group = |(g, rows): (usize, &[Pattern])| {
            let group = g as u8;
            (0..rows.len()).map(move |i| Self { group, index: i as u8 })
        };
        GROUPS.iter().enumerate().flat_map(move |(g, rows)| group((g, rows)))
    }

    /// Its fixed bits; none for the row of [`Unallocated`].
    pub fn pattern(self) -> Pattern {
        let group = GROUPS.get(usize::from(self.group)).copied().unwrap_or_default();
        let none = Unallocated::PATTERN;
        group.get(usize::from(self.index)).copied().unwrap_or(none)
    }

    /// Whether it is the row of [`Unallocated`].
    pub fn is_unallocated(self) -> bool {
        self.group == NO_GROUP
    }

    /// Whether a block of instructions ends with `word`, a word of this row.
    pub fn ends_with(self, word: u32) -> bool {
        struct Ends(u32);
        impl Visitor for Ends {
            type Out = bool;
            fn row<I: Instruction>(self) -> bool {
                I::fields(self.0).ends()
            }
        }
        self.visit(Ends(word))
    }

    /// Whether a block of instructions may end with it.
    pub fn ends_block(self) -> bool {
        struct Ends;
        impl Visitor for Ends {
            type Out = bool;
            fn row<I: Instruction>(self) -> bool {
                I::ENDS
            }
        }
        self.visit(Ends)
    }

    /// The row's name.
    pub fn name(self) -> &'static str {
        struct Name;
        impl Visitor for Name {
            type Out = &'static str;
            fn row<I: Instruction>(self) -> &'static str {
                I::NAME
            }
        }
        self.visit(Name)
    }
}

/// The assembly text of `word` at address `pc`.
pub fn text(word: u32, pc: u64) -> String {
    struct Text(u32, u64);
    impl Visitor for Text {
        type Out = String;
        fn row<I: Instruction>(self) -> String {
            I::fields(self.0).text(self.1)
        }
    }
    Row::of(word).visit(Text(word, pc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_find_their_rows() {
        let names = [
            (0x9100_0420, "AddSubImm"),
            (0xd503_201f, "Hint"),
            (0xd65f_03c0, "Ret"),
            (0xf940_0041, "LoadStoreUnsigned"),
            (0x0000_0000, "Unallocated"),
            (0x3280_0000, "Unallocated"),
        ];
        for (word, name) in names {
            assert_eq!(Row::of(word).name(), name, "{word:#010x}");
        }
    }
}
