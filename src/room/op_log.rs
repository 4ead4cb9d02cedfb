//! The newest ops of a room, kept in memory for members who come back.

use std::collections::VecDeque;

use crate::protocol::SequencedOp;

/// Why the log could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpLogError {
    /// Ops that a reader asks for were dropped long ago.
    #[error("the ops before {first} are no longer kept; start from the picture instead")]
    HistoryGone {
        /// `seq` of the oldest op that is kept, or would be next.
        first: u64,
    },
    /// An op does not follow the last one.
    #[error("op {found} does not follow op {last}; append ops in their order")]
    OutOfOrder {
        /// `seq` of the last op in the log.
        last: u64,
        /// `seq` of the op that was refused.
        found: u64,
    },
}

/// Keeps the newest ops in memory and drops the oldest past a number.
#[derive(Debug)]
pub(crate) struct OpLog {
    ops: VecDeque<SequencedOp>,
    last_seq: u64,
    most: usize,
}

impl OpLog {
    /// An empty log after the op `last_seq`, that keeps the newest `most` ops (at least one).
    pub(crate) fn after(last_seq: u64, most: usize) -> Self {
        Self {
            ops: VecDeque::new(),
            last_seq,
            most: most.max(1),
        }
    }

    /// Appends the op whose `seq` is `last_seq() + 1`.
    ///
    /// # Errors
    /// [`OpLogError::OutOfOrder`] for another `seq`.
    pub(crate) fn append(&mut self, op: &SequencedOp) -> Result<(), OpLogError> {
        if op.seq != self.last_seq + 1 {
            return Err(OpLogError::OutOfOrder {
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

    /// The ops after `seq`, in order; empty when there are none.
    ///
    /// # Errors
    /// [`OpLogError::HistoryGone`] when some of them are no longer kept.
    pub(crate) fn read_since(&self, seq: u64) -> Result<Vec<SequencedOp>, OpLogError> {
        let first = self.ops.front().map_or(self.last_seq + 1, |op| op.seq);
        if seq.saturating_add(1) < first {
            return Err(OpLogError::HistoryGone { first });
        }
        Ok(self.ops.iter().filter(|op| op.seq > seq).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::protocol::Op;

    fn op(seq: u64) -> SequencedOp {
        SequencedOp::new(seq, Uuid::nil(), Op::Apply {})
    }

    fn journal(ops: u64, most: usize) -> OpLog {
        let mut journal = OpLog::after(0, most);
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
    }

    #[test]
    fn says_when_history_is_gone() {
        let journal = journal(5, 2);
        assert!(matches!(
            journal.read_since(2),
            Err(OpLogError::HistoryGone { first: 4 })
        ));
        assert_eq!(journal.read_since(3).unwrap().len(), 2);
    }

    #[test]
    fn refuses_gaps_and_repeats() {
        let mut journal = journal(2, 10);
        assert!(matches!(
            journal.append(&op(2)),
            Err(OpLogError::OutOfOrder { .. })
        ));
        assert!(matches!(
            journal.append(&op(4)),
            Err(OpLogError::OutOfOrder { .. })
        ));
    }
}
