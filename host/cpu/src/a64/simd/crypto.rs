//! Cryptographic extension (DDI 0487 C4.1: "Cryptographic AES", "Cryptographic two-register SHA",
//! "Cryptographic three-register SHA", "Cryptographic three-register SHA 512", "Cryptographic
//! four-register", "XAR"). The functions bear the mnemonics as their names.
//!
//! Left out: SM3 and SM4, which no Apple core has. PMULL stands with its kind, in
//! `three_different`.

use super::operand::{scalar, vector};
use crate::a64::rows;
use crate::vector::{Function, Shape, aes, function, sha1, sha3, sha256, sha512};

/// What stands in a register is what the function says: all of it is an operand.
const WHOLE: Shape = Shape::scalar(4);

/// The AES functions by their opcode.
const AES: [Function; 4] =
    [function!(aes::aese), function!(aes::aesd), function!(aes::aesmc), function!(aes::aesimc)];

/// The three-register functions of SHA-1 and SHA-256 by their opcode.
const SHA_THREE: [Function; 7] = [
    function!(sha1::sha1c),
    function!(sha1::sha1p),
    function!(sha1::sha1m),
    function!(sha1::sha1su0),
    function!(sha256::sha256h),
    function!(sha256::sha256h2),
    function!(sha256::sha256su1),
];

/// The two-register functions of SHA-1 and SHA-256 by their opcode.
const SHA_TWO: [Function; 3] =
    [function!(sha1::sha1h), function!(sha1::sha1su1), function!(sha256::sha256su0)];

/// The three-register functions of SHA-512 and SHA-3 by their opcode.
const SHA512_THREE: [Function; 4] = [
    function!(sha512::sha512h),
    function!(sha512::sha512h2),
    function!(sha512::sha512su1),
    function!(sha3::rax1),
];

/// The four-register functions of SHA-3 by their opcode.
const SHA3_FOUR: [Function; 2] = [function!(sha3::eor3), function!(sha3::bcax)];

/// `v1.16b`, `v1.4s`, `v1.2d`.
fn full(size: u32, n: u32) -> String {
    vector(size, 1, n)
}

rows! {
    /// AESE, AESD, AESMC, AESIMC.
    Aes "010011100010100001oo10nnnnnddddd" { opcode = o, rn = n, rd = d }
        text |i, pc| {
            format!("{}\t{}, {}", AES[i.opcode as usize].name, full(0, i.rd), full(0, i.rn))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let (state, key) = (e.v(i.rd), e.v(i.rn));
            // AESMC and AESIMC do not add a key: they read Vn alone.
            let operands = if i.opcode < 2 { [state, key] } else { [key, key] };
            let result = e.vector(AES[i.opcode as usize], WHOLE, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SHA1C, SHA1P, SHA1M, SHA1SU0, SHA256H, SHA256H2, SHA256SU1.
    ShaThree "01011110000mmmmm0ooo00nnnnnddddd" { rm = m, opcode = o, rn = n, rd = d }
        unless |i| i.opcode == 7,
        text |i, pc| {
            let (rd, rn) = match i.opcode {
                0..=2 => (scalar(4, i.rd), scalar(2, i.rn)),
                4 | 5 => (scalar(4, i.rd), scalar(4, i.rn)),
                _ => (full(2, i.rd), full(2, i.rn)),
            };
            format!("{}\t{rd}, {rn}, {}", SHA_THREE[i.opcode as usize].name, full(2, i.rm))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let operands = [e.v(i.rd), e.v(i.rn), e.v(i.rm)];
            let result = e.vector(SHA_THREE[i.opcode as usize], WHOLE, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SHA1H, SHA1SU1, SHA256SU0.
    ShaTwo "010111100010100000oo10nnnnnddddd" { opcode = o, rn = n, rd = d }
        unless |i| i.opcode == 3,
        text |i, pc| {
            let (rd, rn) = match i.opcode {
                0 => (scalar(2, i.rd), scalar(2, i.rn)),
                _ => (full(2, i.rd), full(2, i.rn)),
            };
            format!("{}\t{rd}, {rn}", SHA_TWO[i.opcode as usize].name)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let operands = [e.v(i.rd), e.v(i.rn)];
            let result = e.vector(SHA_TWO[i.opcode as usize], WHOLE, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SHA512H, SHA512H2, SHA512SU1, RAX1.
    Sha512Three "11001110011mmmmm1000oonnnnnddddd" { rm = m, opcode = o, rn = n, rd = d }
        text |i, pc| {
            let (rd, rn) = match i.opcode {
                0 | 1 => (scalar(4, i.rd), scalar(4, i.rn)),
                _ => (full(3, i.rd), full(3, i.rn)),
            };
            format!("{}\t{rd}, {rn}, {}", SHA512_THREE[i.opcode as usize].name, full(3, i.rm))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let operands = [e.v(i.rd), e.v(i.rn), e.v(i.rm)];
            let result = e.vector(SHA512_THREE[i.opcode as usize], WHOLE, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SHA512SU0.
    Sha512Su0 "1100111011000000100000nnnnnddddd" { rn = n, rd = d }
        text |i, pc| { format!("sha512su0\t{}, {}", full(3, i.rd), full(3, i.rn)) }
        execute |i, e| {
            e.fp_enabled()?;
            let operands = [e.v(i.rd), e.v(i.rn)];
            let result = e.vector(function!(sha512::sha512su0), WHOLE, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// EOR3, BCAX.
    Sha3Four "1100111000ommmmm0aaaaannnnnddddd" { opcode = o, rm = m, ra = a, rn = n, rd = d }
        text |i, pc| {
            let [rd, rn, rm, ra] = [i.rd, i.rn, i.rm, i.ra].map(|n| full(0, n));
            format!("{}\t{rd}, {rn}, {rm}, {ra}", SHA3_FOUR[i.opcode as usize].name)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let operands = [e.v(i.rn), e.v(i.rm), e.v(i.ra)];
            let result = e.vector(SHA3_FOUR[i.opcode as usize], WHOLE, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// XAR.
    Xar "11001110100mmmmmiiiiiinnnnnddddd" { rm = m, imm6 = i, rn = n, rd = d }
        text |i, pc| {
            let [rd, rn, rm] = [i.rd, i.rn, i.rm].map(|n| full(3, n));
            format!("xar\t{rd}, {rn}, {rm}, #{}", i.imm6)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let operands = [e.v(i.rn), e.v(i.rm)];
            let shape = Shape::vector(3, 1).with(i.imm6);
            let result = e.vector(function!(sha3::xar), shape, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }
}
