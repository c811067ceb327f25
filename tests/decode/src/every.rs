//! No word has two rows.

use anyvisor_cpu::a64::{Pattern, Row};
use libtest_mimic::Failed;
use std::sync::atomic::{AtomicU64, Ordering};

/// All pairs of pictures: two that fix no bit differently share a word.
pub fn pair() -> Result<(), Failed> {
    let rows: Vec<Row> = Row::all().collect();
    for (i, a) in rows.iter().enumerate() {
        for b in &rows[i + 1..] {
            if a.pattern().overlaps(b.pattern()) {
                return Err(format!("{} and {} share words", a.name(), b.name()).into());
            }
        }
    }
    Ok(())
}

/// The words that share their upper bits are one piece of work.
const PIECE_BITS: u32 = 24;

/// All words of all pictures are marked, and none twice; the row that is found for a word is
/// the one that it was marked for.
pub fn word() -> Result<(), Failed> {
    let pieces = 1 << (32 - PIECE_BITS);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, marked) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        let mut marks = vec![0u64; 1 << (PIECE_BITS - 6)];
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= pieces {
                return Ok(());
            }
            marks.fill(0);
            mark(&mut marks, piece as u32)?;
            let ones = |mark: &u64| u64::from(mark.count_ones());
            marked.fetch_add(marks.iter().map(ones).sum(), Ordering::Relaxed);
        }
    };
    let outcomes: Vec<Result<(), Failed>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let panicked = |_| Err("a worker panicked".into());
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(panicked)).collect()
    });
    outcomes.into_iter().collect::<Result<(), Failed>>()?;
    let sum: u64 = Row::all().map(|row| row.pattern().words()).sum();
    let marked = marked.into_inner();
    if marked != sum {
        return Err(format!("{marked} words have a row, the pictures have {sum}").into());
    }
    Ok(())
}

/// Marks the words of one piece.
fn mark(marks: &mut [u64], piece: u32) -> Result<(), Failed> {
    let top = Pattern { mask: u32::MAX << PIECE_BITS, value: piece << PIECE_BITS, nonzero: 0 };
    for row in Row::all() {
        let pattern = row.pattern();
        if !pattern.overlaps(top) {
            continue;
        }
        let (fixed, value) = (pattern.mask | top.mask, pattern.value | top.value);
        let mut word = value;
        loop {
            if pattern.matches(word) {
                let place = word & !top.mask;
                let (at, bit) = ((place / 64) as usize, 1 << (place % 64));
                let found = Row::of(word);
                if marks[at] & bit != 0 || found != row && !found.is_unallocated() {
                    return Err(
                        format!("{word:#010x}: {}, but {}", row.name(), found.name()).into()
                    );
                }
                marks[at] |= bit;
            }
            // The next value of the bits that are not fixed.
            word = (word | fixed).wrapping_add(1) & !fixed | value;
            if word == value {
                break;
            }
        }
    }
    Ok(())
}
