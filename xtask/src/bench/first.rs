//! From process start to the guest's first instructions.
//!
//! There is no way to see the first instruction itself that is the same on every engine, so the
//! guest is the shortest whose effect can be seen from outside: five instructions after the
//! entry point a newline is in the console's data register. What is timed is from before the
//! engine's process is started until that byte comes out of its standard output: an upper bound
//! of the time to the first instruction, by the time that five instructions, two device
//! accesses and a pipe take (microseconds).

use super::guest::Launch;
use super::row::{Rows, Target, Unit};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use anyvisor_abi::{map, smccc};

/// A boot is short, and disturbed by everything else that goes on: many runs for one of others.
const RUNS: u32 = 5;

/// Measures it.
///
/// # Errors
/// The guest cannot be written to the build folder.
pub fn measure(ws: &Workspace, launch: &Launch, runs: u32, rows: &mut Rows) -> Result<()> {
    let path = ws.target.join("first-instruction.img");
    std::fs::write(&path, image()).with_context(|| format!("cannot write {}", path.display()))?;
    for _ in 0..runs * RUNS {
        for engine in launch.engines() {
            match launch.boot_other(engine, &path) {
                Ok(run) => rows
                    .at("first-instruction", Unit::Milliseconds, || {
                        vec![Target::AtMost(5.0), Target::TimesFaster(5.0)]
                    })
                    .add(engine, run.first_byte.as_secs_f64() * 1e3),
                Err(error) => rows.complain(format!("first-instruction on {engine}: {error}")),
            }
        }
    }
    Ok(())
}

/// Registers of the PL011 (DDI 0183) at [`map::UART_BASE`].
const UARTDR: u32 = 0x000;
const UARTCR: u32 = 0x030;
/// UARTCR: RXE, TXE, UARTEN.
const UART_ON: u32 = 0x301;

/// The guest: an Image header of the arm64 boot protocol (booting.rst) and a dozen instructions.
fn image() -> Vec<u8> {
    const HEADER: usize = 64;
    let uart_page = (map::UART_BASE >> 16) as u32;
    assert!(u64::from(uart_page) << 16 == map::UART_BASE, "one MOVZ makes the UART's address");
    let code = [
        movz_x_lsl16(1, uart_page),
        movz_w(2, UART_ON),
        str_w(2, 1, UARTCR),
        movz_w(2, u32::from(b'\n')),
        str_w(2, 1, UARTDR),
        movz_w(0, smccc::PSCI_SYSTEM_OFF & 0xffff),
        movk_w_lsl16(0, smccc::PSCI_SYSTEM_OFF >> 16),
        0xd400_0002, // HVC #0
        0x1400_0000, // B .
    ];
    let size = HEADER + code.len() * 4;
    let mut image = Vec::with_capacity(size);
    image.extend((0x1400_0000_u32 | (HEADER as u32 / 4)).to_le_bytes()); // code0: B past the header
    image.extend(0_u32.to_le_bytes()); // code1
    image.extend(0_u64.to_le_bytes()); // text_offset
    image.extend((size as u64).to_le_bytes()); // image_size
    image.extend(0b1010_u64.to_le_bytes()); // flags: little-endian, 4 KiB pages, anywhere
    image.extend([0; 24]);
    image.extend(b"ARM\x64");
    image.extend([0; 4]);
    image.extend(code.iter().flat_map(|word| word.to_le_bytes()));
    image
}

const fn movz_w(rd: u32, imm16: u32) -> u32 {
    0x5280_0000 | imm16 << 5 | rd
}

const fn movk_w_lsl16(rd: u32, imm16: u32) -> u32 {
    0x72a0_0000 | imm16 << 5 | rd
}

const fn movz_x_lsl16(rd: u32, imm16: u32) -> u32 {
    0xd2a0_0000 | imm16 << 5 | rd
}

/// STR Wt, [Xn, #offset], the offset a multiple of 4.
const fn str_w(rt: u32, rn: u32, offset: u32) -> u32 {
    0xb900_0000 | (offset / 4) << 10 | rn << 5 | rt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encodings_are_the_manual_s() {
        assert_eq!(movz_w(2, 10), 0x5280_0142); // mov w2, #10
        assert_eq!(movk_w_lsl16(0, 0x8400), 0x72b0_8000); // movk w0, #0x8400, lsl #16
        assert_eq!(movz_x_lsl16(1, 0x900), 0xd2a1_2001); // mov x1, #0x9000000
        assert_eq!(str_w(2, 1, 0x30), 0xb900_3022); // str w2, [x1, #48]
    }

    #[test]
    fn the_image_has_its_header() {
        let image = image();
        assert_eq!(image[..4], 0x1400_0010_u32.to_le_bytes(), "b +64");
        assert_eq!(image[56..60], *b"ARM\x64");
        assert_eq!(image[64..68], 0xd2a1_2001_u32.to_le_bytes(), "the first instruction");
    }
}
