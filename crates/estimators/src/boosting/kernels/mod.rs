//! What costs the time in growing and predicting trees. The only room of this crate with `unsafe`: each use behind a
//! safe function that checks its contract, each wide kernel with a scalar twin that gives the same bits.

mod accumulate;
mod divide;
mod gains;
mod predict;
mod scatter;
mod shares;

pub(super) use accumulate::{BLOCK, ROW, Rows, STRIDE, accumulate, accumulate_one};
pub(super) use divide::{LeftBins, PAD, divide};
pub(super) use gains::{Units, estimates, gains};
pub(super) use predict::{
    Cut, Forest, HELD, Keys, Kind, Lanes, One, Parts, Source, TILE, Tile, WORD, Word, floor32,
};
pub(super) use scatter::Scatter;
pub(super) use shares::{Edge, Eight, NONE, Sweep, SweepRoom, Tables};
