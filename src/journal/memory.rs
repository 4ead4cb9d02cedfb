//! A journal that lives as long as its room.

use std::collections::VecDeque;

use super::{Journal, JournalError};
use crate::protocol::SequencedOp;

/// Keeps the newest ops in memory and drops the oldest past a number.
#[derive(Debug)]
pub struct MemoryJournal {
    ops: VecDeque<SequencedOp>,
    last_seq: u64,
    most: usize,
}

impl MemoryJournal {
    /// An empty journal that keeps the newest `most` ops (at least one).
    pub fn new(most: usize) -> Self {
        Self {
            ops: VecDeque::new(),
            last_seq: 0,
            most: most.max(1),
        }
    }
}

impl Journal for MemoryJournal {
    fn append(&mut self, op: &SequencedOp) -> Result<(), JournalError> {
        if op.seq != self.last_seq + 1 {
            return Err(JournalError::OutOfOrder {
                last: self.last_seq,
                found: op.seq,
            });
        }
        if self.ops.len() == self.most {
            self.ops.pop_front();
        }
        self.ops.push_back(op.clone());
        self.last_seq = op.seq;
        Ok(())
    }

    fn read_since(&self, seq: u64) -> Result<Vec<SequencedOp>, JournalError> {
        let first = self.ops.front().map_or(self.last_seq + 1, |op| op.seq);
        if seq.saturating_add(1) < first {
            return Err(JournalError::HistoryGone { first });
        }
        Ok(self.ops.iter().filter(|op| op.seq > seq).cloned().collect())
    }

    fn last_seq(&self) -> u64 {
        self.last_seq
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::protocol::Op;

    fn op(seq: u64) -> SequencedOp {
        SequencedOp {
            seq,
            client: Uuid::nil(),
            op: Op::Apply {},
            switches: Vec::new(),
        }
    }

    fn journal(ops: u64, most: usize) -> MemoryJournal {
        let mut journal = MemoryJournal::new(most);
        for seq in 1..=ops {
            journal.append(&op(seq)).unwrap();
        }
        journal
    }

    #[test]
    fn reads_back_what_came_after() {
        let journal = journal(5, 10);
        let seqs: Vec<u64> = journal
            .read_since(3)
            .unwrap()
            .iter()
            .map(|op| op.seq)
            .collect();
        assert_eq!(seqs, [4, 5]);
        assert_eq!(journal.read_since(5).unwrap(), []);
        assert_eq!(journal.last_seq(), 5);
    }

    #[test]
    fn says_when_history_is_gone() {
        let journal = journal(5, 2);
        assert!(matches!(
            journal.read_since(2),
            Err(JournalError::HistoryGone { first: 4 })
        ));
        assert_eq!(journal.read_since(3).unwrap().len(), 2);
    }

    #[test]
    fn refuses_gaps_and_repeats() {
        let mut journal = journal(2, 10);
        assert!(matches!(
            journal.append(&op(2)),
            Err(JournalError::OutOfOrder { .. })
        ));
        assert!(matches!(
            journal.append(&op(4)),
            Err(JournalError::OutOfOrder { .. })
        ));
        assert_eq!(journal.last_seq(), 2);
    }
}
