//! A queue of at most 16 entries, or 1: what the PL011 calls a FIFO and, with FIFOs disabled,
//! a holding register (DDI 0183, UARTLCR_H.FEN).

/// The depth of a PL011 FIFO up to revision r1p4.
pub const DEPTH: usize = 16;

/// The queue. Its depth is given at each push, because UARTLCR_H.FEN may change it.
#[derive(Clone, Debug, Default)]
pub struct Fifo<T> {
    entries: [T; DEPTH],
    first: usize,
    len: usize,
}

impl<T: Copy + Default> Fifo<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds an entry; false, and no change, if `depth` entries are there already.
    pub fn push(&mut self, entry: T, depth: usize) -> bool {
        if self.len >= depth.min(DEPTH) {
            return false;
        }
        self.entries[(self.first + self.len) % DEPTH] = entry;
        self.len += 1;
        true
    }

    /// Takes the oldest entry.
    pub fn pop(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        let entry = self.entries[self.first];
        self.first = (self.first + 1) % DEPTH;
        self.len -= 1;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_leaves_first_and_a_full_queue_takes_no_more() {
        let mut fifo = Fifo::<u8>::default();
        for round in 0..3 {
            for i in 0..DEPTH as u8 {
                assert!(fifo.push(i + round, DEPTH));
            }
            assert!(!fifo.push(99, DEPTH));
            for i in 0..DEPTH as u8 {
                assert_eq!(fifo.pop(), Some(i + round));
            }
            assert_eq!(fifo.pop(), None);
        }
        assert!(fifo.push(1, 1));
        assert!(!fifo.push(2, 1), "one deep");
    }
}
