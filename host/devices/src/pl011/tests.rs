//! What a driver may rely on, claim by claim.

use super::offset::*;
use super::*;

const ON: u32 = CR_UARTEN | CR_TXE | CR_RXE;

fn uart(lcr_h: u32, cr: u32) -> Pl011 {
    let mut uart = Pl011::default();
    uart.write(LCR_H, lcr_h);
    uart.write(CR, cr);
    uart
}

/// Eight bits, FIFOs on, everything enabled.
fn ready() -> Pl011 {
    uart(LCR_H_WLEN_8 | LCR_H_FEN, ON)
}

fn fill(uart: &mut Pl011, n: u8) {
    for byte in 0..n {
        assert_eq!(uart.receive(byte), Received::Stored);
    }
}

#[test]
fn reset_values_are_the_manuals() {
    let mut uart = Pl011::default();
    for (offset, value) in [
        (RSR_ECR, 0),
        (FR, FR_TXFE | FR_RXFE),
        (ILPR, 0),
        (IBRD, 0),
        (FBRD, 0),
        (LCR_H, 0),
        (CR, 0x300),
        (IFLS, 0x12),
        (IMSC, 0),
        (RIS, 0),
        (MIS, 0),
        (DMACR, 0),
    ] {
        assert_eq!(uart.read(offset), value, "register {offset:#x}");
    }
    assert!(!uart.line());
}

#[test]
fn the_id_registers_name_a_pl011_with_16_deep_fifos() {
    let mut uart = Pl011::default();
    let id = (0..4).map(|i| uart.read(PERIPH_ID0 + 4 * i) << (8 * i)).sum::<u32>();
    assert_eq!(id & 0x000f_ffff, 0x0004_1011, "part 011, designer Arm");
    assert!(id >> 20 & 0xf < 3, "r1p5 (revision 3) has 32-deep FIFOs");
    let cell = (0..4).map(|i| uart.read(0xff0 + 4 * i) << (8 * i)).sum::<u32>();
    assert_eq!(cell, 0xb105_f00d);
}

#[test]
fn registers_remember_their_writable_bits_and_no_others() {
    let mut uart = Pl011::default();
    for (offset, readable) in [
        (ILPR, 0xff),
        (IBRD, 0xffff),
        (FBRD, 0x3f),
        (LCR_H, 0xff),
        (IFLS, 0x3f),
        (IMSC, 0x7ff),
        (DMACR, 7),
        (CR, 0xff87),
        (FR, FR_TXFE | FR_RXFE | FR_CTS | FR_DSR | FR_DCD | FR_RI),
        (0x80, 0),
        (0xff8, 5),
    ] {
        uart.write(offset, u32::MAX);
        assert_eq!(uart.read(offset), readable, "register {offset:#x}");
    }
}

#[test]
fn a_byte_leaves_at_once_from_an_enabled_transmitter() {
    let mut uart = ready();
    assert_eq!(uart.write(DR, u32::from(b'x')).as_slice(), b"x");
    assert_eq!(uart.read(FR), FR_TXFE | FR_RXFE);
}

#[test]
fn bytes_wait_for_a_transmitter_that_is_off_and_leave_in_order() {
    for off in [CR_TXE | CR_RXE, CR_UARTEN | CR_RXE] {
        let mut uart = uart(LCR_H_WLEN_8 | LCR_H_FEN, off);
        for byte in 0..DEPTH as u32 {
            assert_eq!(uart.read(FR) & FR_TXFF, 0);
            assert!(uart.write(DR, byte).as_slice().is_empty());
        }
        assert_eq!(uart.read(FR), FR_TXFF | FR_BUSY | FR_RXFE);
        assert!(uart.write(DR, 99).as_slice().is_empty(), "a full FIFO drops the byte");
        let expected: Vec<u8> = (0..DEPTH as u8).collect();
        assert_eq!(uart.write(CR, ON).as_slice(), expected);
        assert_eq!(uart.read(FR), FR_TXFE | FR_RXFE);
    }
}

#[test]
fn without_fifos_one_byte_fits_each_way() {
    let mut uart = uart(LCR_H_WLEN_8, CR_UARTEN | CR_RXE);
    uart.write(DR, 1);
    assert_eq!(uart.read(FR) & (FR_TXFF | FR_TXFE), FR_TXFF);
    uart.write(DR, 2);
    assert_eq!(uart.receive(3), Received::Stored);
    assert_eq!(uart.read(FR) & (FR_RXFF | FR_RXFE), FR_RXFF);
    assert_eq!(uart.receive(4), Received::Overrun);
    assert_eq!(uart.read(DR), 3);
    assert_eq!(uart.write(CR, ON).as_slice(), [1]);
}

#[test]
fn a_short_word_sends_its_low_bits() {
    for (wlen, mask) in [(0, 0x1f), (1, 0x3f), (2, 0x7f), (3, 0xff)] {
        let mut uart = uart(wlen << 5, ON);
        assert_eq!(uart.write(DR, 0xff).as_slice(), [mask]);
    }
}

#[test]
fn received_bytes_are_read_in_order_and_an_empty_fifo_reads_zero() {
    let mut uart = ready();
    fill(&mut uart, 16);
    assert_eq!(uart.read(FR) & (FR_RXFF | FR_RXFE), FR_RXFF);
    for byte in 0..16 {
        assert_eq!(uart.read(DR), byte);
    }
    assert_eq!(uart.read(FR) & (FR_RXFF | FR_RXFE), FR_RXFE);
    assert_eq!(uart.read(DR), 0);
}

#[test]
fn a_receiver_that_is_off_hears_nothing() {
    for off in [CR_TXE | CR_RXE, CR_UARTEN | CR_TXE] {
        let mut uart = uart(LCR_H_WLEN_8 | LCR_H_FEN, off);
        assert!(!uart.can_receive());
        assert_eq!(uart.receive(1), Received::Deaf);
        assert_eq!(uart.read(FR) & FR_RXFE, FR_RXFE);
    }
}

#[test]
fn the_receive_interrupt_rises_at_each_trigger_level_and_falls_below_it() {
    for (select, level) in [(0, 2), (1, 4), (2, 8), (3, 12), (4, 14)] {
        let mut uart = ready();
        uart.write(IFLS, select << 3);
        fill(&mut uart, level - 1);
        assert_eq!(uart.read(RIS) & interrupt::RX, 0, "below level {level}");
        uart.receive(0);
        assert_eq!(uart.read(RIS) & interrupt::RX, interrupt::RX, "at level {level}");
        uart.read(DR);
        assert_eq!(uart.read(RIS) & interrupt::RX, 0, "read below level {level}");
    }
}

#[test]
fn without_fifos_each_byte_raises_the_receive_interrupt() {
    let mut uart = uart(LCR_H_WLEN_8, ON);
    uart.receive(7);
    assert_eq!(uart.read(RIS), interrupt::RX, "and there is no timeout");
    uart.read(DR);
    assert_eq!(uart.read(RIS), 0);
}

#[test]
fn a_cleared_receive_interrupt_needs_another_byte() {
    let mut uart = ready();
    fill(&mut uart, 8);
    uart.write(ICR, interrupt::RX | interrupt::RT);
    assert_eq!(uart.read(RIS), 0, "the FIFO is still full enough, and yet");
    uart.receive(9);
    assert_eq!(uart.read(RIS), interrupt::RX | interrupt::RT);
}

#[test]
fn the_receive_timeout_falls_when_the_fifo_is_empty() {
    let mut uart = ready();
    fill(&mut uart, 2);
    assert_eq!(uart.read(RIS), interrupt::RT, "below the trigger: only the timeout tells");
    uart.read(DR);
    assert_eq!(uart.read(RIS), interrupt::RT);
    uart.read(DR);
    assert_eq!(uart.read(RIS), 0);
}

#[test]
fn the_transmit_interrupt_comes_of_a_byte_that_left_not_of_an_empty_fifo() {
    let mut uart = ready();
    assert_eq!(uart.read(RIS), 0, "empty, but nothing ever left");
    uart.write(DR, 0);
    assert_eq!(uart.read(RIS), interrupt::TX);
    uart.write(ICR, interrupt::TX);
    assert_eq!(uart.read(RIS), 0);
}

#[test]
fn the_transmit_interrupt_falls_when_the_fifo_is_filled_over_the_trigger() {
    for (select, level) in [(0, 2), (1, 4), (2, 8), (3, 12), (4, 14)] {
        let mut uart = ready();
        uart.write(IFLS, select);
        uart.write(DR, 0);
        uart.write(CR, CR_UARTEN);
        for _ in 0..level {
            uart.write(DR, 0);
        }
        assert_eq!(uart.read(RIS) & interrupt::TX, interrupt::TX, "at level {level}");
        uart.write(DR, 0);
        assert_eq!(uart.read(RIS) & interrupt::TX, 0, "over level {level}");
    }
}

#[test]
fn an_overrun_is_noted_with_the_next_byte_that_fits_and_in_rsr_until_it_is_cleared() {
    let mut uart = ready();
    fill(&mut uart, 16);
    assert_eq!(uart.receive(16), Received::Overrun);
    assert_eq!(uart.read(RIS) & interrupt::OE, interrupt::OE);
    assert_eq!(uart.read(RSR_ECR), RSR_OE);
    assert_eq!(uart.read(DR), 0, "what was stored is whole");
    assert_eq!(uart.receive(17), Received::Stored);
    for byte in 1..16 {
        assert_eq!(uart.read(DR), byte);
    }
    assert_eq!(uart.read(DR), DR_OE | 17);
    assert_eq!(uart.read(RSR_ECR), RSR_OE);
    uart.write(RSR_ECR, 0);
    assert_eq!(uart.read(RSR_ECR), 0);
    uart.write(ICR, interrupt::OE);
    assert_eq!(uart.read(RIS) & interrupt::OE, 0);
}

#[test]
fn the_line_is_high_while_an_interrupt_is_raised_and_let_through() {
    let mut uart = ready();
    uart.write(DR, 0);
    assert!(!uart.line(), "masked");
    assert_eq!(uart.read(MIS), 0);
    uart.write(IMSC, interrupt::TX);
    assert!(uart.line());
    assert_eq!(uart.read(MIS), interrupt::TX);
    uart.write(ICR, interrupt::TX);
    assert!(!uart.line());
}

#[test]
fn in_loopback_the_uart_hears_itself_and_nobody_else() {
    let mut uart = uart(LCR_H_WLEN_8 | LCR_H_FEN, ON | CR_LBE);
    assert_eq!(uart.receive(1), Received::Deaf);
    assert!(uart.write(DR, 0x5a).as_slice().is_empty());
    assert_eq!(uart.read(DR), 0x5a);
    for byte in 0..17 {
        uart.write(DR, byte);
    }
    assert_eq!(uart.read(RIS) & interrupt::OE, interrupt::OE, "the 17th did not fit");
}

#[test]
fn in_loopback_the_modem_outputs_are_the_modem_inputs() {
    let mut uart = ready();
    uart.write(CR, ON | CR_LBE);
    for (output, input, bit) in [
        (CR_RTS, FR_CTS, interrupt::CTS),
        (CR_DTR, FR_DSR, interrupt::DSR),
        (CR_OUT1, FR_DCD, interrupt::DCD),
        (CR_OUT2, FR_RI, interrupt::RI),
    ] {
        uart.write(CR, ON | CR_LBE | output);
        assert_eq!(uart.read(FR) & (FR_CTS | FR_DSR | FR_DCD | FR_RI), input);
        assert_eq!(uart.read(RIS) & bit, bit);
        uart.write(CR, ON | CR_LBE);
        uart.write(ICR, interrupt::ALL);
    }
    uart.write(CR, ON | CR_RTS);
    assert_eq!(uart.read(FR) & FR_CTS, 0, "outside loopback nothing is connected");
}

#[test]
fn switching_the_fifos_empties_them() {
    let mut uart = ready();
    fill(&mut uart, 8);
    uart.write(LCR_H, LCR_H_WLEN_8);
    assert_eq!(uart.read(FR) & FR_RXFE, FR_RXFE);
    assert_eq!(uart.read(RIS), 0);
}

#[test]
fn no_access_at_any_offset_upsets_the_model() {
    let mut uart = ready();
    let mut word = 1u32;
    for offset in (0..0x1010).chain([u64::MAX]) {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        uart.write(offset, word);
        uart.receive(word as u8);
        uart.read(offset);
        uart.line();
    }
}
