// tidy: table
//! The manual's index of A64 (DDI 0487, C4.1: "A64 instruction set encoding"): each encoding
//! class as bit pictures, and why it is left out if it has no row. What is allocated inside a
//! class that has rows, but belongs to a feature that no model has, is listed after it.
//!
//! The pictures of two classes never overlap, and every row lies in them: the first is checked
//! when this is compiled, the second by this module's tests. An outside disassembler's opinion of
//! which words are allocated is compared with the rows and with this table by `tests/decode`.

use super::Row;
use super::pattern::Pattern;

/// An encoding class.
#[derive(Debug)]
pub struct Class {
    /// The group and sub-group of the manual's index.
    pub group: &'static str,
    /// The class.
    pub name: &'static str,
    /// Its words.
    pub pictures: &'static [&'static str],
    /// Why it has no row, if it has none.
    pub left_out: Option<&'static str>,
}

/// Encodings inside a class that has rows, of a feature that no model has.
#[derive(Debug)]
pub struct Later {
    /// The words.
    pub picture: &'static str,
    /// The feature, and what it adds.
    pub feature: &'static str,
}

const fn class(
    group: &'static str,
    name: &'static str,
    pictures: &'static [&'static str],
) -> Class {
    Class { group, name, pictures, left_out: None }
}

const fn left_out(
    group: &'static str,
    name: &'static str,
    pictures: &'static [&'static str],
    reason: &'static str,
) -> Class {
    Class { group, name, pictures, left_out: Some(reason) }
}

const fn later(picture: &'static str, feature: &'static str) -> Later {
    Later { picture, feature }
}

const TOP: &str = "A64";
const IMMEDIATE: &str = "Data Processing -- Immediate";
const BRANCHES: &str = "Branches, Exception Generating and System instructions";
const REGISTER: &str = "Data Processing -- Register";
const VECTOR: &str = "Data Processing -- Scalar Floating-Point and Advanced SIMD";
const MEMORY: &str = "Loads and Stores";

const UDF: &str = "UDF: permanently UNDEFINED, as every word without a row is";
const SME: &str = "FEAT_SME: no model has it, the framework's calls for it answer HV_UNSUPPORTED";
const SVE: &str = "FEAT_SVE: no model has it";
const MTE: &str = "FEAT_MTE: no model has it";
const MOPS: &str = "FEAT_MOPS (Armv8.8): no model has it";
const D128: &str = "FEAT_D128 (Armv9.3): no model has it";
const SM: &str = "FEAT_SM3, FEAT_SM4: no model has them";

/// The classes, in the order of the manual's index.
#[rustfmt::skip]
pub const CLASSES: &[Class] = &[
    left_out(TOP, "Reserved", &["0--0000-------------------------"], UDF),
    left_out(TOP, "SME encodings", &["1--0000-------------------------"], SME),
    left_out(TOP, "SVE encodings", &["---0010-------------------------"], SVE),

    class(IMMEDIATE, "PC-rel. addressing", &["---10000------------------------"]),
    class(IMMEDIATE, "Add/subtract (immediate)", &["---100010-----------------------"]),
    left_out(IMMEDIATE, "Add/subtract (immediate, with tags)", &["---1000110----------------------"], MTE),
    left_out(IMMEDIATE, "Min/max (immediate)", &["---1000111----------------------"], "FEAT_CSSC (Armv8.9): no model has it"),
    class(IMMEDIATE, "Logical (immediate)", &["---100100-----------------------"]),
    class(IMMEDIATE, "Move wide (immediate)", &["---100101-----------------------"]),
    class(IMMEDIATE, "Bitfield", &["---100110-----------------------"]),
    class(IMMEDIATE, "Extract", &["---100111-----------------------"]),

    class(BRANCHES, "Conditional branch (immediate)", &["010101--------------------------"]),
    class(BRANCHES, "Exception generation", &["11010100------------------------"]),
    left_out(BRANCHES, "System instructions with register argument", &["11010101000000110001------------"],
        "FEAT_WFxT (Armv8.7: WFET, WFIT): no model has it"),
    class(BRANCHES, "Hints", &["11010101000000110010-------11111"]),
    class(BRANCHES, "Barriers", &["11010101000000110011------------"]),
    class(BRANCHES, "PSTATE", &["1101010100000---0100------------"]),
    left_out(BRANCHES, "System with result", &["1101010100100-------------------"],
        "FEAT_TME (TSTART, TTEST): no model has it"),
    class(BRANCHES, "System instructions", &["1101010100-01-------------------"]),
    class(BRANCHES, "System register move", &["1101010100-1--------------------"]),
    left_out(BRANCHES, "System pair instructions; 128-bit register moves", &["1101010101----------------------"], D128),
    class(BRANCHES, "Unconditional branch (register)", &["1101011-------------------------"]),
    class(BRANCHES, "Unconditional branch (immediate)", &["-00101--------------------------"]),
    class(BRANCHES, "Compare and branch (immediate)", &["-011010-------------------------"]),
    class(BRANCHES, "Test and branch (immediate)", &["-011011-------------------------"]),

    class(REGISTER, "Data-processing (2 source)", &["-0-11010110---------------------"]),
    class(REGISTER, "Data-processing (1 source)", &["-1-11010110---------------------"]),
    class(REGISTER, "Logical (shifted register)", &["---01010------------------------"]),
    class(REGISTER, "Add/subtract (shifted register)", &["---01011--0---------------------"]),
    class(REGISTER, "Add/subtract (extended register)", &["---01011--1---------------------"]),
    class(REGISTER, "Add/subtract (with carry)", &["---11010000-----000000----------"]),
    left_out(REGISTER, "Add/subtract (checked pointer)", &["---11010000-----001-------------"],
        "FEAT_CPA (Armv9.5): no model has it"),
    class(REGISTER, "Rotate right into flags", &["---11010000------00001----------"]),
    class(REGISTER, "Evaluate into flags", &["---11010000-------0010----------"]),
    class(REGISTER, "Conditional compare (register)", &["---11010010---------0-----------"]),
    class(REGISTER, "Conditional compare (immediate)", &["---11010010---------1-----------"]),
    class(REGISTER, "Conditional select", &["---11010100---------------------"]),
    class(REGISTER, "Data-processing (3 source)", &["---11011------------------------"]),

    class(VECTOR, "Cryptographic AES", &["01001110--10100-----10----------"]),
    class(VECTOR, "Cryptographic three-register SHA", &["01011110--0-----0---00----------"]),
    class(VECTOR, "Cryptographic two-register SHA", &["01011110--10100-----10----------"]),
    class(VECTOR, "Advanced SIMD scalar copy", &["01-11110000-----0----1----------"]),
    class(VECTOR, "Advanced SIMD scalar three same FP16", &["01-11110-10-----00---1----------"]),
    class(VECTOR, "Advanced SIMD scalar two-register miscellaneous FP16", &["01-11110-111100-----10----------"]),
    class(VECTOR, "Advanced SIMD scalar three same extra", &["01-11110--0-----1----1----------"]),
    class(VECTOR, "Advanced SIMD scalar two-register miscellaneous", &["01-11110--10000-----10----------"]),
    class(VECTOR, "Advanced SIMD scalar pairwise", &["01-11110--11000-----10----------"]),
    class(VECTOR, "Advanced SIMD scalar three different", &["01-11110--1---------00----------"]),
    class(VECTOR, "Advanced SIMD scalar three same", &["01-11110--1----------1----------"]),
    class(VECTOR, "Advanced SIMD scalar shift by immediate", &["01-111110------------1----------"]),
    class(VECTOR, "Advanced SIMD scalar x indexed element", &["01-11111-------------0----------"]),
    class(VECTOR, "Advanced SIMD table lookup", &["0-001110--0-----0---00----------"]),
    class(VECTOR, "Advanced SIMD permute", &["0-001110--0-----0---10----------"]),
    class(VECTOR, "Advanced SIMD extract", &["0-101110--0-----0----0----------"]),
    class(VECTOR, "Advanced SIMD copy", &["0--01110000-----0----1----------"]),
    class(VECTOR, "Advanced SIMD three same (FP16)", &["0--01110-10-----00---1----------"]),
    class(VECTOR, "Advanced SIMD two-register miscellaneous (FP16)", &["0--01110-111100-----10----------"]),
    class(VECTOR, "Advanced SIMD three-register extension", &["0--01110--0-----1----1----------"]),
    class(VECTOR, "Advanced SIMD two-register miscellaneous", &["0--01110--10000-----10----------"]),
    class(VECTOR, "Advanced SIMD across lanes", &["0--01110--11000-----10----------"]),
    class(VECTOR, "Advanced SIMD three different", &["0--01110--1---------00----------"]),
    class(VECTOR, "Advanced SIMD three same", &["0--01110--1----------1----------"]),
    class(VECTOR, "Advanced SIMD modified immediate", &["0--0111100000--------1----------"]),
    class(VECTOR, "Advanced SIMD shift by immediate", &[
        "0--0111101-----------1----------",
        "0--01111001----------1----------",
        "0--011110001---------1----------",
        "0--0111100001--------1----------",
    ]),
    class(VECTOR, "Advanced SIMD vector x indexed element", &["0--01111-------------0----------"]),
    left_out(VECTOR, "Cryptographic three-register, imm2", &["11001110010-----10--------------"], SM),
    class(VECTOR, "Cryptographic three-register SHA 512", &["11001110011-----1-00------------"]),
    class(VECTOR, "Cryptographic four-register", &["110011100-------0---------------"]),
    class(VECTOR, "XAR", &["11001110100---------------------"]),
    class(VECTOR, "Cryptographic two-register SHA 512", &["11001110110000001000------------"]),
    class(VECTOR, "Conversion between floating-point and fixed-point", &["-0-11110--0---------------------"]),
    class(VECTOR, "Conversion between floating-point and integer", &["-0-11110--1-----000000----------"]),
    class(VECTOR, "Floating-point data-processing (1 source)", &["-0-11110--1------10000----------"]),
    class(VECTOR, "Floating-point compare", &["-0-11110--1-------1000----------"]),
    class(VECTOR, "Floating-point immediate", &["-0-11110--1--------100----------"]),
    class(VECTOR, "Floating-point conditional compare", &["-0-11110--1---------01----------"]),
    class(VECTOR, "Floating-point data-processing (2 source)", &["-0-11110--1---------10----------"]),
    class(VECTOR, "Floating-point conditional select", &["-0-11110--1---------11----------"]),
    class(VECTOR, "Floating-point data-processing (3 source)", &["-0-11111------------------------"]),

    class(MEMORY, "Advanced SIMD load/store multiple structures", &["0-0011000-000000----------------"]),
    class(MEMORY, "Advanced SIMD load/store multiple structures (post-indexed)", &["0-0011001-0---------------------"]),
    class(MEMORY, "Advanced SIMD load/store single structure", &["0-0011010--00000----------------"]),
    class(MEMORY, "Advanced SIMD load/store single structure (post-indexed)", &["0-0011011-----------------------"]),
    left_out(MEMORY, "128-bit atomic memory operations; RCW", &["0-011001--1---------------------"],
        "FEAT_LSE128, FEAT_THE (Armv9.4): no model has them"),
    left_out(MEMORY, "GCS load/store", &["11011001000-----000-11----------"], "FEAT_GCS (Armv9.4): no model has it"),
    left_out(MEMORY, "Load/store memory tags", &["11011001--1---------------------"], MTE),
    class(MEMORY, "Load/store exclusive pair", &["1-0010000-1---------------------"]),
    class(MEMORY, "Compare and swap pair", &["0-0010000-1---------------------"]),
    class(MEMORY, "Load/store exclusive register", &["--0010000-0---------------------"]),
    class(MEMORY, "Load/store ordered", &["--0010001-0---------------------"]),
    class(MEMORY, "Compare and swap", &["--0010001-1---------------------"]),
    class(MEMORY, "LDAPR/STLR (unscaled immediate)", &["--011001--0---------00----------"]),
    left_out(MEMORY, "LDAPR/STLR (SIMD&FP); LDIAPP/STILP", &["--011-01--0---------10----------"],
        "FEAT_LRCPC3 (Armv8.9): no model has it"),
    left_out(MEMORY, "Memory Copy and Memory Set", &["--011-01--0---------01----------"], MOPS),
    class(MEMORY, "Load register (literal)", &["--011-00------------------------"]),
    class(MEMORY, "Load/store no-allocate pair (offset)", &["--101-000-----------------------"]),
    class(MEMORY, "Load/store register pair (post-indexed)", &["--101-001-----------------------"]),
    class(MEMORY, "Load/store register pair (offset)", &["--101-010-----------------------"]),
    class(MEMORY, "Load/store register pair (pre-indexed)", &["--101-011-----------------------"]),
    class(MEMORY, "Load/store register (unscaled immediate)", &["--111-00--0---------00----------"]),
    class(MEMORY, "Load/store register (immediate post-indexed)", &["--111-00--0---------01----------"]),
    class(MEMORY, "Load/store register (unprivileged)", &["--111-00--0---------10----------"]),
    class(MEMORY, "Load/store register (immediate pre-indexed)", &["--111-00--0---------11----------"]),
    class(MEMORY, "Atomic memory operations", &["--111-00--1---------00----------"]),
    class(MEMORY, "Load/store register (register offset)", &["--111-00--1---------10----------"]),
    class(MEMORY, "Load/store register (pac)", &["--111-00--1----------1----------"]),
    class(MEMORY, "Load/store register (unsigned immediate)", &["--111-01------------------------"]),
];

/// What is allocated in classes that have rows, and has none.
#[rustfmt::skip]
pub const LATER: &[Later] = &[
    later("01010100-------------------1----", "FEAT_HBC (Armv8.8): BC.cond"),
    later("11010100010----------------00000", "halting debug, which a guest never has: HLT"),
    later("11010100101----------------000--", "halting debug: DCPS1, DCPS2, DCPS3"),
    later("11010110101111110000001111100000", "halting debug: DRPS"),
    later("11010100011----------------00000", "FEAT_TME: TCANCEL"),
    later("11010101000000110011000001111111", "FEAT_TME: TCOMMIT"),
    later("11010101000000110011--1000111111", "FEAT_XS (Armv8.7): DSB with nXS"),
    later("1101010100000-110100----100-----", "FEAT_MTE: MSR TCO, #imm"),
    later("11010101000000110100----01111111", "FEAT_SME: MSR SVCR, #imm (SMSTART, SMSTOP)"),
    later("11010101000000010100000-00011111", "FEAT_NMI (Armv8.8): MSR ALLINT, #imm"),
    later("1101010100101-------------------", "SYSL: no operation with a result was allocated before Armv9.4"),
    later("-0-11010110-----000000----------", "FEAT_MTE: SUBP, SUBPS"),
    later("10011010110-----00010-----------", "FEAT_MTE: IRG, GMI"),
    later("-0011010110-----0110------------", "FEAT_CSSC (Armv8.9): SMAX, SMIN, UMAX, UMIN"),
    later("-10110101100000000011-----------", "FEAT_CSSC: CTZ, CNT"),
    later("-101101011000000001000----------", "FEAT_CSSC: ABS"),
    later("0110100--0----------------------", "FEAT_MTE: STGP"),
    later("1111100000111111100100----------", "FEAT_LS64 (Armv8.7): ST64B"),
    later("11111000001-----101-00----------", "FEAT_LS64: ST64BV, ST64BV0"),
    later("1111100000111111110100----------", "FEAT_LS64: LD64B"),
    later("--0010001-0-----0---------------", "FEAT_LOR: LDLAR, STLLR; ID_AA64MMFR1_EL1.LO is 0 in every model"),
    later("11001110010-----0---------------", "FEAT_SM3: SM3SS1"),
    later("11001110011-----1100------------", "FEAT_SM3, FEAT_SM4: SM3PARTW1, SM3PARTW2, SM4EKEY"),
    later("1100111011000000100001----------", "FEAT_SM4: SM4E"),
];

impl Class {
    /// Its words.
    pub fn patterns(&self) -> impl Iterator<Item = Pattern> {
        self.pictures.iter().map(|picture| Pattern::new(picture))
    }

    /// Whether a word is in it.
    pub fn has(&self, word: u32) -> bool {
        self.patterns().any(|pattern| pattern.matches(word))
    }

    /// The rows with words in it.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        Row::all().filter(|row| self.patterns().any(|p| p.overlaps(row.pattern())))
    }

    /// What is left out of it besides.
    pub fn later(&self) -> impl Iterator<Item = &'static Later> {
        let inside = |later: &&Later| self.patterns().any(|p| p.overlaps(later.pattern()));
        LATER.iter().filter(inside)
    }
}

impl Later {
    /// Its words.
    pub fn pattern(&self) -> Pattern {
        Pattern::new(self.picture)
    }
}

/// The class of a word; `None` if the manual has none for it.
pub fn class_of(word: u32) -> Option<&'static Class> {
    CLASSES.iter().find(|class| class.has(word))
}

/// Why a word that has no row is known to others: its class or its feature is left out.
pub fn reason(word: u32) -> Option<&'static str> {
    let later = LATER.iter().find(|later| later.pattern().matches(word));
    later.map(|later| later.feature).or_else(|| class_of(word)?.left_out)
}

/// No two classes overlap.
const _: () = {
    let mut a = 0;
    while a < CLASSES.len() {
        let mut b = a + 1;
        while b < CLASSES.len() {
            assert!(!overlap(CLASSES[a].pictures, CLASSES[b].pictures), "two classes overlap");
            b += 1;
        }
        a += 1;
    }
};

const fn overlap(a: &[&str], b: &[&str]) -> bool {
    let mut i = 0;
    while i < a.len() {
        let mut j = 0;
        while j < b.len() {
            if Pattern::new(a[i]).overlaps(Pattern::new(b[j])) {
                return true;
            }
            j += 1;
        }
        i += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some words of a pattern.
    fn words(pattern: Pattern) -> impl Iterator<Item = u32> {
        let scattered = (0..4096u32).map(|i| i.wrapping_mul(0x9e37_79b9));
        let word = move |word: u32| word & !pattern.mask | pattern.value;
        scattered.map(word).filter(move |word| pattern.matches(*word))
    }

    fn is_reserved(pattern: Pattern) -> bool {
        words(pattern).all(|word| Row::of(word).is_unallocated())
    }

    /// Whether every word of `pattern` is in some class, or reserved: if the classes do not say,
    /// both values of a bit that they fix are tried.
    fn is_covered(pattern: Pattern) -> bool {
        // A field that may not be 0 is 0 here: no words.
        let fixed = pattern.mask & !pattern.value;
        if pattern.nonzero != 0 && pattern.nonzero & !fixed == 0 {
            return true;
        }
        let mut near = CLASSES.iter().flat_map(Class::patterns).filter(|p| p.overlaps(pattern));
        let Some(class) = near.next() else { return is_reserved(pattern) };
        let inside = |class: Pattern| class.mask & !pattern.mask == 0;
        inside(class) || near.any(inside) || {
            let bit = 1 << (class.mask & !pattern.mask).trailing_zeros();
            let with = |value| Pattern {
                mask: pattern.mask | bit,
                value: pattern.value | value,
                ..pattern
            };
            is_covered(with(0)) && is_covered(with(bit))
        }
    }

    #[test]
    fn every_row_is_in_the_index() {
        let lost: Vec<_> =
            Row::all().filter(|row| !is_covered(row.pattern())).map(Row::name).collect();
        assert!(lost.is_empty(), "rows with words that no class has: {lost:?}");
    }

    #[test]
    fn a_class_has_rows_or_a_reason() {
        let wrong = CLASSES.iter().filter(|class| {
            let reason = class.left_out.is_some();
            let without_rows = class.rows().next().is_none();
            without_rows != reason
        });
        let wrong: Vec<_> = wrong.map(|class| class.name).collect();
        assert!(wrong.is_empty(), "neither rows nor a reason, or both: {wrong:?}");
    }

    #[test]
    fn what_is_left_out_has_no_row() {
        for later in LATER {
            let class =
                CLASSES.iter().filter(|c| c.patterns().any(|p| p.overlaps(later.pattern())));
            assert_ne!(class.count(), 0, "{}", later.feature);
            // A row may overlap it if it says that these words are reserved.
            assert!(is_reserved(later.pattern()), "{}", later.feature);
        }
    }
}
