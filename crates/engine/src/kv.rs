//! Who owns which block of the key-value cache, and which blocks hold a prefix that somebody may want again.
//!
//! A full block is known by its contents: the block before it (or the adapter generation, at the root) and its 16
//! tokens, compared as they are, so that no hash collision can mix up two prompts.

use std::collections::{BTreeMap, HashMap};

/// Positions of a block.
pub const BLOCK_TOKENS: usize = lyceum_tensor::kernels::BLOCK;

/// Names the contents of a full block, or a root. Never given twice.
pub(crate) type Content = u64;

type Key = (Content, [u32; BLOCK_TOKENS]);

#[derive(Debug, Default, Clone)]
struct State {
    users: u32,
    known: Option<(Key, Content)>,
    idle_since: u64,
}

/// The blocks of a cache.
#[derive(Debug)]
pub(crate) struct Blocks {
    states: Vec<State>,
    free: Vec<u32>,
    /// Blocks without users that hold a known prefix, the longest unused first.
    idle: BTreeMap<u64, u32>,
    by_key: HashMap<Key, u32>,
    clock: u64,
    next_content: Content,
}

impl Blocks {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            states: vec![State::default(); count],
            free: (0..count as u32).rev().collect(),
            idle: BTreeMap::new(),
            by_key: HashMap::new(),
            clock: 0,
            // Roots are the numbers of adapter generations, which stay below.
            next_content: 1 << 40,
        }
    }

    /// Blocks that can be taken now.
    pub(crate) fn available(&self) -> usize {
        self.free.len() + self.idle.len()
    }

    /// Blocks that somebody uses.
    pub(crate) fn used(&self) -> usize {
        self.states.len() - self.available()
    }

    /// Takes a block, at need one whose prefix was not wanted for the longest time.
    pub(crate) fn take(&mut self) -> Option<u32> {
        let block = match self.free.pop() {
            Some(block) => block,
            None => {
                let (_, block) = self.idle.pop_first()?;
                let known = self.states.get_mut(block as usize)?.known.take();
                known.map(|(key, _)| self.by_key.remove(&key));
                block
            }
        };
        self.states.get_mut(block as usize)?.users = 1;
        Some(block)
    }

    /// The known block after `parent` with these tokens, taken for one more user, and the name of its contents.
    pub(crate) fn reuse(&mut self, parent: Content, tokens: [u32; BLOCK_TOKENS]) -> Option<(u32, Content)> {
        let block = *self.by_key.get(&(parent, tokens))?;
        let state = self.states.get_mut(block as usize)?;
        if state.users == 0 {
            self.idle.remove(&state.idle_since);
        }
        state.users += 1;
        state.known.map(|(_, content)| (block, content))
    }

    /// Makes a full block known; gives the name of its contents (that of an equal block, if there is one).
    pub(crate) fn publish(&mut self, block: u32, parent: Content, tokens: [u32; BLOCK_TOKENS]) -> Content {
        let key = (parent, tokens);
        let twin = self.by_key.get(&key).and_then(|b| self.states.get(*b as usize)).and_then(|s| s.known);
        if let Some((_, content)) = twin {
            return content;
        }
        let content = self.next_content;
        self.next_content += 1;
        if let Some(state) = self.states.get_mut(block as usize) {
            state.known = Some((key, content));
            self.by_key.insert(key, block);
        }
        content
    }

    /// Gives up one use of each block.
    pub(crate) fn release(&mut self, table: &[u32]) {
        // The end of a prompt is the first to be forgotten: a beginning is useful without it, not the reverse.
        for block in table.iter().rev() {
            let Some(state) = self.states.get_mut(*block as usize) else { continue };
            state.users = state.users.saturating_sub(1);
            if state.users > 0 {
                continue;
            }
            if state.known.is_some() {
                self.clock += 1;
                state.idle_since = self.clock;
                self.idle.insert(self.clock, *block);
            } else {
                self.free.push(*block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_shared_and_forgotten_oldest_first() {
        let mut blocks = Blocks::new(3);
        let (a, b) = (blocks.take().unwrap(), blocks.take().unwrap());
        let one = blocks.publish(a, 0, [1; 16]);
        let two = blocks.publish(b, one, [2; 16]);
        assert_eq!(blocks.reuse(0, [1; 16]), Some((a, one)));
        assert_eq!(blocks.reuse(7, [1; 16]), None, "another root");
        blocks.release(&[a, b]);
        assert_eq!(blocks.used(), 1);
        blocks.release(&[a]);
        assert_eq!(blocks.available(), 3);
        let _ = blocks.take().unwrap();
        assert_eq!(blocks.take(), Some(b), "the end of the prompt goes first");
        assert_eq!(blocks.reuse(one, [2; 16]), None);
        assert_eq!(blocks.reuse(0, [1; 16]), Some((a, one)));
        assert_eq!(blocks.take(), None);
        assert_ne!(one, two);
    }

    #[test]
    fn equal_contents_have_one_name() {
        let mut blocks = Blocks::new(2);
        let (a, b) = (blocks.take().unwrap(), blocks.take().unwrap());
        assert_eq!(blocks.publish(a, 0, [1; 16]), blocks.publish(b, 0, [1; 16]));
        blocks.release(&[a, b]);
        assert_eq!(blocks.available(), 2);
    }
}
