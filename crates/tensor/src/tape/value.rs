//! A dense f32 array, row-major, shared until somebody writes.

use std::sync::Arc;

/// A dense f32 array, row-major. A clone copies a pointer.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Arc<Vec<f32>>,
}

impl Tensor {
    /// An array of a shape.
    ///
    /// # Panics
    /// When the numbers do not fill the shape: a defect of the caller.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Self {
        assert_eq!(
            shape.iter().product::<usize>(),
            data.len(),
            "{shape:?} is not filled by the numbers given"
        );
        Self { shape, data: Arc::new(data) }
    }

    /// Zeros.
    pub fn zeros(shape: Vec<usize>) -> Self {
        let len = shape.iter().product();
        Self::new(shape, vec![0.0; len])
    }

    /// The shape, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Rows when seen as a matrix: the product of all axes but the last.
    pub fn rows(&self) -> usize {
        self.data.len() / self.cols().max(1)
    }

    /// Length of the last axis.
    pub fn cols(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Number of numbers.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The numbers.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The numbers for writing; copied first when somebody shares them.
    pub fn data_mut(&mut self) -> &mut [f32] {
        Arc::make_mut(&mut self.data).as_mut_slice()
    }

    /// The numbers themselves; copied when somebody shares them.
    pub fn into_vec(self) -> Vec<f32> {
        Arc::try_unwrap(self.data).unwrap_or_else(|shared| (*shared).clone())
    }
}
