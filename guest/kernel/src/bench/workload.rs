//! The workloads that a compiler made: what code looks like that was not written to be measured.

use core::cell::Cell;
use core::hint::black_box;

const NODES: usize = 64;
const SIDE: usize = 12;
const TEXT: &[u8] = b"17,-4,3.5e2,+88,x,1.25e-3,0,--,999,4.4.4,7e,12345,-0.5,";

/// A node of a list.
#[derive(Default)]
struct Node<'a> {
    next: Cell<Option<&'a Node<'a>>>,
    key: Cell<u16>,
    value: Cell<u16>,
}

/// What the scanner is in the middle of.
#[derive(Clone, Copy)]
enum Scan {
    Start,
    Integer,
    Fraction,
    Exponent,
    Bad,
}

/// Per round: eight searches in a list, its reversal, a product of 16-bit matrices, a scan of
/// numbers in text; all of it summed up in a CRC-16.
#[inline(never)]
pub fn mix(rounds: u32) -> u16 {
    let nodes: [Node<'_>; NODES] = core::array::from_fn(|_| Node::default());
    for (i, node) in nodes.iter().enumerate() {
        node.next.set(nodes.get(i + 1));
        node.key.set((i * 263) as u16);
        node.value.set((i ^ 0x5a) as u16);
    }
    let mut a: [[i16; SIDE]; SIDE] =
        core::array::from_fn(|i| core::array::from_fn(|j| (i * 7 + j) as i16));
    let b: [[i16; SIDE]; SIDE] =
        core::array::from_fn(|i| core::array::from_fn(|j| j as i16 * 5 - i as i16));
    let mut c = [[0; SIDE]; SIDE];
    let mut head = Some(&nodes[0]);
    let mut crc = 0xffff;
    for round in 0..black_box(rounds) {
        for i in 0..8 {
            let want = ((round * 13 + i * 7) % NODES as u32 * 263) as u16;
            crc = crc16(crc, u32::from(search(head, want)));
        }
        head = reverse(head);
        multiply(&a, &b, &mut c);
        let (row, column) = (round as usize % SIDE, (round >> 3) as usize % SIDE);
        a[row][column] ^= c[row][3] as i16;
        crc = crc16(crc, c[5][row] as u32);
        let count = scan(black_box(TEXT));
        crc = crc16(crc, count[1] | count[2] << 4 | count[3] << 8 | count[4] << 12);
    }
    crc
}

/// Finds the node with a key and adds how far it was to its value; the value, or the length.
fn search(mut node: Option<&Node<'_>>, key: u16) -> u16 {
    let mut steps = 0;
    while let Some(at) = node {
        if at.key.get() == key {
            at.value.set(at.value.get().wrapping_add(steps));
            return at.value.get();
        }
        node = at.next.get();
        steps += 1;
    }
    steps
}

fn reverse<'a>(mut node: Option<&'a Node<'a>>) -> Option<&'a Node<'a>> {
    let mut reversed = None;
    while let Some(at) = node {
        node = at.next.replace(reversed);
        reversed = Some(at);
    }
    reversed
}

fn multiply(a: &[[i16; SIDE]; SIDE], b: &[[i16; SIDE]; SIDE], c: &mut [[i32; SIDE]; SIDE]) {
    for i in 0..SIDE {
        for j in 0..SIDE {
            c[i][j] = (0..SIDE).map(|k| i32::from(a[i][k]) * i32::from(b[k][j])).sum();
        }
    }
}

/// How many words of the text ended in each state.
fn scan(text: &[u8]) -> [u32; 5] {
    let (mut state, mut count) = (Scan::Start, [0; 5]);
    for &byte in text {
        if byte == b',' {
            count[state as usize] += 1;
            state = Scan::Start;
            continue;
        }
        let digit = byte.is_ascii_digit();
        state = match state {
            Scan::Start if digit || byte == b'-' || byte == b'+' => Scan::Integer,
            Scan::Start => Scan::Bad,
            Scan::Integer if digit => Scan::Integer,
            Scan::Integer if byte == b'.' => Scan::Fraction,
            Scan::Integer | Scan::Fraction if byte == b'e' => Scan::Exponent,
            Scan::Fraction if digit => Scan::Fraction,
            Scan::Exponent if digit || byte == b'-' => Scan::Exponent,
            _ => Scan::Bad,
        };
    }
    count
}

/// CRC-16 (reflected 0x8005), 16 bits of `value`, a bit at a time.
fn crc16(crc: u16, value: u32) -> u16 {
    (0..16).fold(crc, |crc, bit| {
        let odd = (u32::from(crc) ^ value >> bit) & 1 != 0;
        crc >> 1 ^ if odd { 0xa001 } else { 0 }
    })
}

/// CRC-32 (IEEE 802.3) over `bytes`, `rounds` times over, by a table.
#[inline(never)]
pub fn crc32(bytes: &[u8], rounds: u64) -> u32 {
    let table: [u32; 256] = core::array::from_fn(|i| {
        (0..8).fold(i as u32, |c, _| c >> 1 ^ if c & 1 != 0 { 0xedb8_8320 } else { 0 })
    });
    let mut crc = !0;
    for _ in 0..rounds {
        for &byte in black_box(bytes) {
            crc = table[usize::from(crc as u8 ^ byte)] ^ crc >> 8;
        }
    }
    !crc
}
